"""`AsyncSocket` when something goes wrong: peers, limits, cancellation, misuse."""

from __future__ import annotations

import errno
import os
import pathlib
import resource
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.net import (
    connected,
    drain,
    fill,
    fill_wrapped,
    half_wrapped,
    listening,
    outcome,
    receive_exactly,
    receive_to_the_end,
    reset,
    turns,
    unused_port,
    wrapped,
)

Run = Callable[..., Any]


# -- the peer breaks the connection -----------------------------------------------------------


def assert_broken(exc: Any, *causes: type[OSError]) -> None:
    """Check for a `BrokenResourceError` with the system's own error as its cause."""
    assert isinstance(exc, giambio.BrokenResourceError), repr(exc)
    assert isinstance(exc, ConnectionError)
    assert isinstance(exc, giambio.GiambioError)
    assert str(exc).startswith("the connection broke: ")
    assert isinstance(exc.__cause__, causes or ConnectionResetError)


@pytest.mark.parametrize("how", ["receive", "receive_into"])
@pytest.mark.parametrize("waits", [True, False], ids=["while waiting", "before"])
def test_a_reset_breaks_a_receive(run: Run, how: str, waits: bool) -> None:
    """Rule 15.15: `BrokenResourceError` is also a `ConnectionError`."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours:
            call = (ours.receive, 100) if how == "receive" else (ours.receive_into, bytearray(9))
            if waits:
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(outcome, *call)
                    await turns()
                    reset(theirs)
                assert_broken(task.result())
            else:
                reset(theirs)
                assert_broken(await outcome(*call))
            assert_broken(await outcome(*call))  # the system tells it once, and then an end
            assert isinstance(await outcome(ours.send, b"x"), giambio.BrokenResourceError)

    run(main)


@pytest.mark.parametrize("how", ["send", "send_all"])
@pytest.mark.parametrize("waits", [True, False], ids=["while waiting", "before"])
def test_a_reset_breaks_a_send(run: Run, how: str, waits: bool) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours:
            send = getattr(ours, how)
            if waits:
                async with giambio.TaskManager() as manager:
                    await fill_wrapped(ours)
                    task = await manager.spawn(outcome, send, bytes(1 << 22))
                    await turns()
                    assert not task.done()
                    reset(theirs)
                assert_broken(task.result())
            else:
                reset(theirs)
                assert_broken(await outcome(send, b"x"))
            assert_broken(await outcome(send, b"x"), BrokenPipeError)

    run(main)


def test_a_reset_breaks_a_reader_and_a_writer_alike(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours:
            await fill_wrapped(ours)
            async with giambio.TaskManager() as manager:
                reader = await manager.spawn(outcome, ours.receive, 100)
                writer = await manager.spawn(outcome, ours.send_all, bytes(1 << 22))
                await turns()
                reset(theirs)
            # Who comes first gets the reset, the other one what it left behind.
            assert_broken(reader.result())
            assert_broken(writer.result(), BrokenPipeError, ConnectionResetError)

    run(main)


@pytest.mark.parametrize("kind", ["IPv4", "Unix"])
@pytest.mark.parametrize("how", ["receive", "receive_into"])
def test_a_reset_that_a_writer_was_told_of_is_no_end_for_a_reader(
    run: Run, how: str, kind: str
) -> None:
    """The system tells of a reset once, and then of an end, as if nothing were missing."""

    async def main() -> None:
        ours, theirs = half_wrapped(kind)
        with ours:
            await fill_wrapped(ours)
            async with giambio.TaskManager() as manager:
                writer = await manager.spawn(outcome, ours.send_all, bytes(1 << 22))
                await turns()
                reset(theirs)  # a Unix socket is reset because there are bytes unread in it
            assert_broken(writer.result(), ConnectionResetError, BrokenPipeError)
            for _ in range(2):
                argument = 100 if how == "receive" else bytearray(9)
                assert_broken(await outcome(getattr(ours, how), argument))

    run(main)


def test_what_came_before_a_reset_is_received_first(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped("Unix")
        with ours:
            await ours.send_all(b"never read")
            theirs.sendall(b"last words")
            theirs.close()
            assert_broken(await outcome(ours.send_all, b"x"), BrokenPipeError)
            assert await ours.receive(4) == b"last"
            assert await ours.receive(100) == b" words"
            for _ in range(2):
                assert_broken(await outcome(ours.receive, 100))

    run(main)


@pytest.mark.parametrize("kind", ["IPv4", "Unix"])
def test_who_cannot_send_any_more_still_receives_a_clean_end(run: Run, kind: str) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped(kind)
        with ours:
            theirs.sendall(b"bye")
            theirs.close()
            while not isinstance(await outcome(ours.send, b"x"), giambio.BrokenResourceError):
                await giambio.checkpoint()
            assert await ours.receive(100) == b"bye"
            assert await ours.receive(100) == b""

    run(main)


def test_a_socket_that_connects_anew_has_a_new_end(run: Run) -> None:
    async def main() -> None:
        port = unused_port()
        with giambio.wrap_socket(socket.socket()) as ours, listening() as listener:
            # Refused, and a receiver may be told of that instead of the one who connects.
            async with giambio.TaskManager() as manager:
                manager.start_soon(outcome, ours.connect, ("127.0.0.1", port))
                manager.start_soon(outcome, ours.receive, 100)
            await ours.connect(listener.getsockname())
            theirs, _ = await listener.accept()
            theirs.close()
            assert await ours.receive(100) == b""

    run(main)


def test_data_and_a_reset_in_one_event(run: Run) -> None:
    """Rule 15.6: readiness is a hint: every operation tries, and loops to EAGAIN."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(outcome, ours.receive, 100)
                await turns()
                theirs.sendall(b"last words")
                reset(theirs)
            results = [task.result()]
            while isinstance(results[-1], bytes) and results[-1]:
                results.append(await outcome(ours.receive, 100))
            assert_broken(results[-1])
            assert b"".join(results[:-1]) in (b"", b"last words")

    run(main)


@pytest.mark.parametrize("kind", ["IPv4", "Unix"])
def test_data_and_the_end_in_one_event(run: Run, kind: str) -> None:
    """Rule 15.9: a short read clears readiness only while no RDHUP was reported."""

    async def main() -> None:
        ours, theirs = half_wrapped(kind)
        with ours:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(ours.receive(100))
                await turns()
                theirs.sendall(b"last words")
                theirs.close()
            assert task.result() == b"last words"
            with giambio.fail_after(20):
                assert await ours.receive(100) == b""
                assert await ours.receive(100) == b""

    run(main)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_the_end_after_data_in_a_later_event(run: Run, size: int) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(receive_to_the_end, ours)
                for _ in range(3):
                    await turns()
                    theirs.sendall(b"abcd"[:size])
                await turns()
                theirs.close()
            assert task.result() == b"abcd"[:size] * 3

    run(main)


def test_half_close_by_the_peer_leaves_our_sending_alone(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours, theirs:
            theirs.shutdown(socket.SHUT_WR)
            assert await ours.receive(100) == b""
            await ours.send_all(b"still talking")
            assert drain(theirs, 13) == b"still talking"
            async with giambio.TaskManager() as manager:  # and a writer still waits properly
                total = await fill_wrapped(ours)
                task = await manager.spawn(ours.send_all(b"end"))
                await turns()
                assert not task.done()
                drain(theirs, total)
            assert drain(theirs, 3) == b"end"

    run(main)


@pytest.mark.parametrize("event", ["one", "two"])
def test_an_urgent_byte_mid_stream_loses_nothing_around_it(run: Run, event: str) -> None:
    """Rule 15.9: a short read clears readiness only while no PRI has been reported."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours, theirs:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(receive_exactly, ours, 6)
                await turns()
                theirs.sendall(b"abc")
                if event == "two":
                    await turns()
                theirs.send(b"!", socket.MSG_OOB)
                if event == "two":
                    await turns()
                theirs.sendall(b"def")
            assert task.result() == b"abcdef"

    with_limit(run, main)


def with_limit(run: Run, main: Callable[[], Any]) -> Any:
    """Run with a time limit that says where it hung."""

    async def limited() -> Any:
        with giambio.fail_after(20):
            return await main()

    return run(limited)


@pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="descriptors cannot be passed here")
def test_a_passed_descriptor_mid_stream_loses_nothing_around_it(run: Run) -> None:
    """Rule 15.7: a short read clears readiness only on a TCP stream socket."""

    async def main() -> None:
        ours, theirs = half_wrapped("Unix")
        with ours, theirs:
            for waits in (True, False):
                async with giambio.TaskManager() as manager:
                    task = manager.start_soon(receive_exactly, ours, 9)
                    if waits:
                        await turns()
                    theirs.sendall(b"abc")
                    socket.send_fds(theirs, [b"def"], [0])
                    theirs.sendall(b"ghi")
                assert task.result() == b"abcdefghi"

    with_limit(run, main)


# -- connecting -------------------------------------------------------------------------------


def test_a_refused_connection_is_an_os_error_with_the_address(run: Run) -> None:
    port = unused_port()

    async def main() -> None:
        with giambio.wrap_socket(socket.socket()) as sock:
            message = rf"Connection refused: \('127.0.0.1', {port}\)"
            for _ in range(2):  # and the socket can try again
                with pytest.raises(ConnectionRefusedError, match=message) as caught:
                    await sock.connect(("127.0.0.1", port))
                assert caught.value.errno == errno.ECONNREFUSED

    run(main)


def test_a_socket_connects_after_it_was_refused(run: Run) -> None:
    async def main() -> None:
        port = unused_port()
        with giambio.wrap_socket(socket.socket()) as sock:
            with pytest.raises(ConnectionRefusedError):
                await sock.connect(("127.0.0.1", port))
            with giambio.wrap_socket(socket.socket()) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))
                listener.listen()
                await sock.connect(("127.0.0.1", port))
                connection, _ = await listener.accept()
                with connection:
                    await connection.send_all(b"hello")
                    assert await sock.receive(100) == b"hello"

    with_limit(run, main)


def test_a_refusal_that_a_receiver_took_away_still_fails_the_connect(run: Run) -> None:
    port = unused_port()

    async def main() -> None:
        with giambio.wrap_socket(socket.socket()) as sock:
            async with giambio.TaskManager() as manager:
                connecting = await manager.spawn(outcome, sock.connect, ("127.0.0.1", port))
                receiving = await manager.spawn(outcome, sock.receive, 100)
            assert isinstance(connecting.result(), OSError)
            assert isinstance(receiving.result(), OSError)

    with_limit(run, main)


def test_connecting_to_a_missing_unix_socket(run: Run, tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "missing")

    async def main() -> None:
        with (
            giambio.wrap_socket(socket.socket(socket.AF_UNIX)) as sock,
            pytest.raises(FileNotFoundError, match="missing"),
        ):
            await sock.connect(path)

    run(main)


def test_an_address_that_the_system_cannot_take_leaves_the_socket_usable(
    run: Run, tmp_path: pathlib.Path
) -> None:
    """Rule 15.2: an address that the system cannot take."""

    async def main() -> None:
        with (
            giambio.wrap_socket(socket.socket(socket.AF_UNIX)) as sock,
            giambio.wrap_socket(socket.socket(socket.AF_UNIX)) as listener,
        ):
            with pytest.raises(OSError, match="path too long"):
                await sock.connect("x" * 200)
            listener.bind(tmp_path / "s")
            listener.listen()
            await sock.connect(tmp_path / "s")

    run(main)


def test_connecting_twice_is_an_os_error(run: Run) -> None:
    async def main() -> None:
        with listening() as listener, giambio.wrap_socket(socket.socket()) as sock:
            await sock.connect(listener.getsockname())
            with pytest.raises(OSError, match="already connected"):
                await sock.connect(listener.getsockname())
            (await listener.accept())[0].close()

    run(main)


@pytest.mark.parametrize("how", ["receive", "send", "send_eof"])
def test_using_an_unconnected_socket_says_so(run: Run, how: str) -> None:
    calls: dict[str, tuple[Any, ...]] = {"receive": (100,), "send": (b"x",), "send_eof": ()}

    async def main() -> None:
        with giambio.wrap_socket(socket.socket()) as sock:
            assert isinstance(
                await outcome(getattr(sock, how), *calls[how]), giambio.BrokenResourceError
            )

    with_limit(run, main)


def test_accept_on_a_socket_that_does_not_listen_is_an_os_error(run: Run) -> None:
    async def main() -> None:
        with giambio.wrap_socket(socket.socket()) as sock:
            for _ in range(2):
                with pytest.raises(OSError, match="Invalid argument"):
                    await sock.accept()

    run(main)


def test_bind_and_listen_raise_what_the_system_says(run: Run) -> None:
    async def main() -> None:
        with listening() as listener, giambio.wrap_socket(socket.socket()) as sock:
            with pytest.raises(OSError, match="in use"):
                sock.bind(listener.getsockname())
            with pytest.raises(OSError, match="Cannot assign requested address"):
                sock.bind(("192.0.2.1", 0))

    run(main)


# -- the system's limits -------------------------------------------------------------------------


def test_accept_out_of_descriptors_fails_and_goes_on_when_there_are_some(run: Run) -> None:
    async def main() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with listening() as listener, socket.create_connection(listener.getsockname()) as client:
            async with giambio.TaskManager() as manager:
                waiting = await manager.spawn(listener.accept())  # registers the listener
                (await waiting)[0].close()
            with socket.create_connection(listener.getsockname()) as second:
                spare = os.dup(0)
                os.close(spare)
                resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
                try:
                    for _ in range(2):
                        with pytest.raises(OSError, match="Too many open files") as caught:
                            await listener.accept()
                        assert caught.value.errno == errno.EMFILE
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                connection, address = await listener.accept()
                with connection:
                    assert address == second.getsockname()
            client.close()

    with_limit(run, main)


# -- closing under a waiting task ---------------------------------------------------------------


async def prepared(how: str) -> tuple[giambio.AsyncSocket, Callable[[], Any], list[Any]]:
    """A socket, a call that waits on it, and what else is to be closed."""
    if how == "accept":
        listener = listening()
        return listener, listener.accept, []
    if how == "connect":
        # A listener with a full backlog answers no more connections, on Linux.
        listener = listening(backlog=0)
        stuffing = [socket.socket() for _ in range(4)]
        for sock in stuffing:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        ours = giambio.wrap_socket(socket.socket())
        address = listener.getsockname()
        return ours, lambda: ours.connect(address), [listener, *stuffing]
    ours, theirs = half_wrapped()
    if how == "receive":
        return ours, lambda: ours.receive(100), [theirs]
    if how == "receive_into":
        return ours, lambda: ours.receive_into(bytearray(100)), [theirs]
    await fill_wrapped(ours)
    call = ours.send if how == "send" else ours.send_all
    return ours, lambda: call(bytes(1 << 22)), [theirs]


WAITING = ["receive", "receive_into", "accept", "send", "send_all", "connect"]
CLOSED = "this socket is closed; make a new one to connect again"


@pytest.mark.parametrize("how", WAITING)
def test_closing_wakes_who_waits_with_an_error(run: Run, how: str) -> None:
    """Rule 15.17: closing wakes the tasks that wait."""

    async def main() -> None:
        sock, call, others = await prepared(how)
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(outcome, call)
            await turns()
            assert not task.done()
            sock.close()
        assert isinstance(task.result(), giambio.ClosedResourceError)
        assert str(task.result()) == CLOSED
        for other in others:
            other.close()

    with_limit(run, main)


def test_closing_wakes_a_reader_and_a_writer(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs:
            await fill_wrapped(ours)
            async with giambio.TaskManager() as manager:
                tasks = [
                    await manager.spawn(outcome, ours.receive, 100),
                    await manager.spawn(outcome, ours.send_all, bytes(1 << 22)),
                ]
                await turns()
                await ours.close()
            assert [type(task.result()) for task in tasks] == [giambio.ClosedResourceError] * 2

    run(main)


def test_closing_in_the_same_turn_as_data_comes_is_an_error_for_the_receiver(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(outcome, ours.receive, 100)
                await turns()
                theirs.sendall(b"too late")
                ours.close()
            assert isinstance(task.result(), giambio.ClosedResourceError)

    run(main)


def test_closing_while_send_all_gives_way_is_an_error_for_it(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped("Unix")
        closed = False

        async def close_when_some_has_come() -> None:
            nonlocal closed
            await giambio.wait_readable(theirs)
            await ours.close()
            closed = True

        with theirs:
            async with giambio.TaskManager() as manager:
                await manager.spawn(close_when_some_has_come)
                task = await manager.spawn(outcome, ours.send_all, bytes(1 << 27))
            assert closed
            assert isinstance(task.result(), giambio.ClosedResourceError)

    with_limit(run, main)


@pytest.mark.parametrize(
    "use",
    [
        lambda sock: sock.receive(1),
        lambda sock: sock.receive_into(bytearray(1)),
        lambda sock: sock.accept(),
        lambda sock: sock.send(b"x"),
        lambda sock: sock.send_all(b"x"),
        lambda sock: sock.send_all(b""),
        lambda sock: sock.send_eof(),
        lambda sock: sock.connect("127.0.0.1:1"),
    ],
    ids=["receive", "receive_into", "accept", "send", "send_all", "nothing", "send_eof", "connect"],
)
def test_a_closed_socket_can_do_nothing(run: Run, use: Callable[[Any], Any]) -> None:
    """Rule 15.17: a closed socket."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        ours.close()
        with theirs, pytest.raises(giambio.ClosedResourceError, match=f"^{CLOSED}$"):
            await use(ours)

    run(main)


@pytest.mark.parametrize(
    "use",
    [
        lambda sock: sock.bind("127.0.0.1:0"),
        lambda sock: sock.listen(),
        lambda sock: sock.getsockname(),
        lambda sock: sock.getpeername(),
        lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
        lambda sock: sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR),
    ],
    ids=["bind", "listen", "getsockname", "getpeername", "setsockopt", "getsockopt"],
)
def test_a_closed_socket_has_no_names_and_options(
    loop: giambio.EventLoop, use: Callable[[Any], Any]
) -> None:
    """Rule 15.17: a closed socket."""
    sock = loop.wrap_socket(socket.socket())
    sock.close()
    with pytest.raises(giambio.ClosedResourceError, match=f"^{CLOSED}$"):
        use(sock)
    assert sock.family == socket.AF_INET


# -- two at once -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["receive", "receive_into", "accept"])
def test_a_second_reader_is_an_error_and_does_not_disturb_the_first(run: Run, first: str) -> None:
    """Rule 15.16: a second reader."""

    async def main() -> None:
        sock, call, others = await prepared(first)
        message = "another task is receiving from this socket; let one task receive"
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(outcome, call)
            await turns()
            for second in (lambda: sock.receive(1), lambda: sock.receive_into(bytearray(1))):
                with pytest.raises(giambio.BusyResourceError, match=message):
                    await second()
            if first == "accept":
                others.append(socket.create_connection(sock.getsockname()))
            else:
                others[0].sendall(b"hello")
        result = task.result()
        if first == "accept":
            others.append(result[0])
        assert result in (b"hello", 5) or isinstance(result, tuple)
        for other in [sock, *others]:
            other.close()

    with_limit(run, main)


@pytest.mark.parametrize("first", ["send", "send_all", "connect"])
def test_a_second_writer_is_an_error_and_does_not_disturb_the_first(run: Run, first: str) -> None:
    """Rule 15.16: a second writer."""

    async def main() -> None:
        sock, call, others = await prepared(first)
        message = "another task is sending on this socket; let one task send"
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(outcome, call)
            await turns()
            for second in (
                lambda: sock.send(b"x"),
                lambda: sock.send_all(b""),
                sock.send_eof,
                lambda: sock.connect("127.0.0.1:1"),
            ):
                with pytest.raises(giambio.BusyResourceError, match=message):
                    await second()
            assert not task.done()
            task.cancel()
        for other in [sock, *others]:
            other.close()

    with_limit(run, main)


def test_one_reader_and_one_writer_are_welcome(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours, theirs:
            total = await fill_wrapped(ours)
            async with giambio.TaskManager() as manager:
                reading = await manager.spawn(ours.receive(100))
                writing = await manager.spawn(ours.send_all(b"more"))
                await turns()
                theirs.sendall(b"hello")
                drain(theirs, total)
            assert reading.result() == b"hello"
            assert writing.done()
            assert drain(theirs, 4) == b"more"

    run(main)


# -- wrong sockets, wrong loops, wrong arguments ----


def test_a_socket_of_another_loop_is_an_error(run: Run) -> None:
    """Rule 19.5: a socket of another loop."""
    other = giambio.EventLoop()
    sock, peer = map(other.wrap_socket, socket.socketpair())

    async def main() -> None:
        for use in (lambda: sock.receive(1), lambda: sock.send_all(b"x"), sock.send_eof):
            with pytest.raises(RuntimeError, match="belongs to another loop than the one"):
                await use()

    with sock, peer:
        run(main)
        assert other.start(peer.send_all, b"fine") is None
        assert other.start(sock.receive, 100) == b"fine"
    other.close()


def test_wrapping_twice_is_an_error(loop: giambio.EventLoop) -> None:
    """Rule 15.14: wrapping one socket twice is an error."""
    plain = socket.socket()
    message = "this socket was wrapped already; use the AsyncSocket that you got the first time"
    with loop.wrap_socket(plain):
        for again in (loop, giambio.EventLoop()):
            with pytest.raises(ValueError, match=message):
                again.wrap_socket(plain)
    with pytest.raises(ValueError, match=message):
        loop.wrap_socket(plain)


@pytest.mark.parametrize("thing", [None, 5, "socket", object()])
def test_only_a_socket_can_be_wrapped(loop: giambio.EventLoop, thing: Any) -> None:
    with pytest.raises(TypeError, match=r"wrap_socket\(\) needs a socket.socket, not "):
        loop.wrap_socket(thing)


def test_an_async_socket_cannot_be_wrapped(loop: giambio.EventLoop) -> None:
    """Rule 15.14: wrapping one socket twice is an error."""
    with (
        loop.wrap_socket(socket.socket()) as sock,
        pytest.raises(TypeError, match=r"needs a socket.socket, not <giambio.AsyncSocket"),
    ):
        loop.wrap_socket(sock)  # type: ignore[arg-type]


def test_a_datagram_socket_cannot_be_wrapped(loop: giambio.EventLoop) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain,
        pytest.raises(TypeError, match=r"needs a stream socket, not .*SOCK_DGRAM"),
    ):
        loop.wrap_socket(plain)
    # And nothing was done to it.
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with plain, pytest.raises(TypeError):
        loop.wrap_socket(plain)
    assert plain.timeout is None


def test_a_closed_socket_cannot_be_wrapped(loop: giambio.EventLoop) -> None:
    """Rule 15.17: a closed socket."""
    plain = socket.socket()
    plain.close()
    with pytest.raises(ValueError, match="needs an open socket, and this one is closed"):
        loop.wrap_socket(plain)


def test_a_tls_socket_cannot_be_wrapped(loop: giambio.EventLoop) -> None:
    context = ssl.create_default_context()
    with (
        context.wrap_socket(socket.socket(), server_hostname="x") as plain,
        pytest.raises(TypeError, match="needs a plain socket, not one that speaks TLS"),
    ):
        loop.wrap_socket(plain)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda s: s.receive("5"), TypeError, "needs a whole number of bytes, not '5'"),
        (lambda s: s.receive(5.0), TypeError, "needs a whole number of bytes, not 5.0"),
        (lambda s: s.receive(None), TypeError, "needs a whole number of bytes, not None"),
        (lambda s: s.receive(0), ValueError, "needs a number of bytes from 1 up, not 0"),
        (lambda s: s.receive(-1), ValueError, "needs a number of bytes from 1 up, not -1"),
        (lambda s: s.receive(-(10**30)), ValueError, "needs a number of bytes from 1 up"),
        (lambda s: s.receive_into(b"abc"), TypeError, "needs a writable buffer, not bytes"),
        (lambda s: s.receive_into("abc"), TypeError, "bytes-like|buffer"),
        (lambda s: s.receive_into(bytearray()), ValueError, "needs a buffer that is not empty"),
        (
            lambda s: s.receive_into(memoryview(bytearray(9))[::2]),
            TypeError,
            r"receive_into\(\) needs a contiguous buffer",
        ),
        (lambda s: s.send("text"), TypeError, r"send\(\) needs .* encode text first"),
        (lambda s: s.send_all("text"), TypeError, r"send_all\(\) needs .* encode text first"),
        (lambda s: s.send_all(5), TypeError, "needs a bytes-like object, not int"),
        (lambda s: s.send_all(None), TypeError, "needs a bytes-like object, not NoneType"),
        (lambda s: s.send_all([b"x"]), TypeError, "needs a bytes-like object, not list"),
        (
            lambda s: s.send_all(memoryview(b"abcdef")[::2]),
            TypeError,
            r"send_all\(\) needs a contiguous buffer",
        ),
    ],
)
def test_a_wrong_argument_is_refused_at_the_call(
    run: Run, use: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    async def main() -> None:
        left, right = wrapped("Unix")
        with left, right:
            with pytest.raises(error, match=message):
                use(left)
            await right.send_all(b"fine")
            assert await left.receive(100) == b"fine"

    run(main)


# -- cancellation --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["receive", "receive_into", "accept", "send"])
def test_a_cancelled_operation_did_not_happen_and_can_be_done_again(run: Run, how: str) -> None:
    """Rule 5.5: a cancelled operation did not happen."""

    async def main() -> None:
        sock, call, others = await prepared(how)
        for _ in range(3):
            with giambio.CancelScope() as scope:
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(call)
                    await turns()
                    assert task.cancel()
            assert task.cancelled()
            assert not scope.cancelled_caught
        if how == "accept":
            others.append(socket.create_connection(sock.getsockname()))
            connection, address = await call()
            assert address == others[0].getsockname()
            others.append(connection)
        elif how == "send":
            others[0].settimeout(0)
            while True:
                try:
                    others[0].recv(1 << 20)
                except BlockingIOError:
                    break
            assert await call() > 0
        else:
            others[0].sendall(b"hello")
            assert await call() in (b"hello", 5)
        for other in [sock, *others]:
            other.close()

    with_limit(run, main)


@pytest.mark.parametrize("how", ["receive", "accept"])
def test_readiness_and_cancellation_in_one_turn_lose_nothing(run: Run, how: str) -> None:
    """Rules 5.3, 5.5: it keeps its result or it did not happen."""

    async def main() -> None:
        sock, call, others = await prepared(how)
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(call)
            await turns()

            def data_comes() -> None:
                if how == "accept":
                    others.append(socket.create_connection(sock.getsockname()))
                else:
                    others[0].sendall(b"hello")

            # The event is delivered at the end of a turn, before anybody can run.
            giambio.current_loop().call_soon(data_comes)
            await giambio.checkpoint()
            assert task.cancel()
        assert task.cancelled()
        result = await call()
        if how == "accept":
            others.append(result[0])
            assert result[1] == others[0].getsockname()
        else:
            assert result == b"hello"
        for other in [sock, *others]:
            other.close()

    with_limit(run, main)


@pytest.mark.usefixtures("in_turn")
def test_a_task_that_is_cancelled_with_its_bytes_is_told_at_the_next_checkpoint(run: Run) -> None:
    """Rules 5.3, 15.10: it keeps its result, and the next checkpoint raises."""

    async def main() -> None:
        (first, to_first), (second, to_second) = half_wrapped(), half_wrapped()
        received: list[bytes] = []

        async def cancel_the_other() -> None:
            received.append(await first.receive())
            assert other.cancel()  # both have been received when the first of them runs

        async def receive() -> None:
            received.append(await second.receive())
            await giambio.checkpoint()
            received.append(b"never")

        with first, to_first, second, to_second:
            async with giambio.TaskManager() as manager:
                await manager.spawn(cancel_the_other)
                other = await manager.spawn(receive)
                await turns()
                to_first.sendall(b"hello")
                to_second.sendall(b"world")
            assert other.cancelled()
            assert received == [b"hello", b"world"]

    run(main)


def test_a_connection_that_breaks_while_many_wait_breaks_that_one_only(run: Run) -> None:
    """The error is met when the events are delivered, and is raised in the task that waits."""

    async def main() -> None:
        pairs = [half_wrapped() for _ in range(3)]
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(outcome, ours.receive) for ours, _ in pairs]
            await turns()
            pairs[0][1].sendall(b"first")
            reset(pairs[1][1])
            pairs[2][1].sendall(b"third")
        assert_broken(tasks[1].result())
        assert [tasks[0].result(), tasks[2].result()] == [b"first", b"third"]
        for ours, theirs in pairs:
            ours.close_now()
            theirs.close()

    run(main)


def test_a_receive_whose_bytes_another_one_takes_goes_on_waiting(run: Run) -> None:
    """Rule 15.6: readiness is a hint: every operation tries, and loops to EAGAIN."""

    async def main() -> None:
        plain, theirs = socket.socketpair()
        first, second = giambio.wrap_socket(plain.dup()), giambio.wrap_socket(plain)
        received: list[bytes] = []

        async def receive(ours: giambio.AsyncSocket) -> None:
            received.append(await ours.receive())

        with first, second, theirs:
            async with giambio.TaskManager() as manager:
                await manager.spawn(receive, first)
                await manager.spawn(receive, second)
                for data in (b"one", b"two"):
                    await turns()
                    theirs.send(data)
                    while data not in received:
                        await giambio.sleep(0.001)
        assert received == [b"one", b"two"]

    with_limit(run, main)


def test_cancelled_receives_at_every_moment_lose_no_byte(run: Run) -> None:
    """Rule 5.5: a cancelled operation did not happen."""
    size = 20_000

    async def main() -> None:
        left, right = wrapped()
        payload = bytes(n * 7 % 251 for n in range(size))
        received = bytearray()
        cancelled = 0

        async def produce() -> None:
            for start in range(0, size, 10):
                await left.send_all(payload[start : start + 10])
                if start % 30 == 0:
                    await giambio.checkpoint()

        async def consume(scope: giambio.CancelScope, size: int) -> None:
            nonlocal cancelled
            with scope:
                received.extend(await right.receive(size))
            cancelled += scope.cancelled_caught

        with left, right:
            async with giambio.TaskManager() as manager:
                manager.start_soon(produce)
                rounds = 0
                while len(received) < size:
                    rounds += 1
                    scope = giambio.CancelScope()
                    async with giambio.TaskManager() as inner:
                        task = inner.start_soon(consume, scope, 7 + len(received) % 5)
                        for _ in range(rounds % 4):
                            await giambio.checkpoint()
                        scope.cancel()
                    assert task.done()
        assert received == payload
        assert cancelled

    run(main)


@pytest.mark.parametrize("how", ["receive", "send", "send_all", "accept", "send_eof", "connect"])
def test_in_a_cancelled_scope_nothing_is_done_even_if_it_could_be(run: Run, how: str) -> None:
    """Rule 4.2: a pending cancellation raises, and nothing was done."""

    async def main() -> None:
        with listening() as listener, socket.create_connection(listener.getsockname()) as client:
            ours, theirs = half_wrapped()
            fresh = giambio.wrap_socket(socket.socket())
            with ours, theirs, fresh:
                theirs.sendall(b"there")
                calls: dict[str, Callable[[], Any]] = {
                    "receive": lambda: ours.receive(100),
                    "send": lambda: ours.send(b"x"),
                    "send_all": lambda: ours.send_all(b"x"),
                    "accept": listener.accept,
                    "send_eof": ours.send_eof,
                    "connect": lambda: fresh.connect(listener.getsockname()),
                }
                with giambio.CancelScope() as scope:
                    scope.cancel()
                    await calls[how]()
                assert scope.cancelled_caught
                assert await ours.receive(100) == b"there"
                (await listener.accept())[0].close()
                await ours.send_all(b"only")
                await ours.send_eof()
                assert theirs.recv(100) == b"only"
                assert theirs.recv(100) == b""
                await fresh.connect(listener.getsockname())
                connection, address = await listener.accept()
                assert address == fresh.getsockname()
                connection.close()
            client.close()

    with_limit(run, main)


def test_a_cancelled_connect_closes_the_socket(run: Run) -> None:
    """Rule 5.8: `connect` may have happened in part, so the socket is closed."""

    async def main() -> None:
        sock, call, others = await prepared("connect")
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(call)
            await turns()
            task.cancel()
        assert task.cancelled()
        assert sock.fileno() == -1
        assert isinstance(await outcome(call), giambio.ClosedResourceError)
        for other in others:
            other.close()

    with_limit(run, main)


HALF_SENT = (
    r"an earlier send_all\(\) .*was cancelled or failed when a part was sent.*receiving still works"
)


def test_after_a_half_sent_send_all_only_receiving_goes_on(run: Run) -> None:
    """Rule 5.9: after a cancelled `send_all` that sent something, sends raise."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours, theirs:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(ours.send_all(bytes(1 << 24)))
                await giambio.wait_readable(theirs)
                task.cancel()
            assert task.cancelled()
            for send in (ours.send, ours.send_all):
                with pytest.raises(giambio.BrokenResourceError, match=HALF_SENT):
                    await send(b"more")
            theirs.sendall(b"hello")
            assert await ours.receive(100) == b"hello"

    with_limit(run, main)


def test_a_cancelled_send_all_that_sent_nothing_did_not_happen(run: Run) -> None:
    """Rule 5.5: a cancelled operation did not happen."""

    async def main() -> None:
        ours, theirs = half_wrapped("Unix")
        with ours, theirs:
            total = await fill_wrapped(ours)
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(ours.send_all(b"never sent"))
                await turns()
                task.cancel()
            assert task.cancelled()
            drain(theirs, total)
            await ours.send_all(b"sent")
            assert drain(theirs, 4) == b"sent"

    run(main)


def test_send_all_cancelled_when_all_was_sent_keeps_its_success(run: Run) -> None:
    """Rule 5.3: an operation that transferred something keeps its result."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours, theirs:
            total = await fill_wrapped(ours)
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(ours.send_all(b"all of it"))
                await turns()
                drain(theirs, total)
                assert await task is None
                assert not task.cancel()
            await ours.send_all(b"!")
            assert drain(theirs, 10) == b"all of it!"

    run(main)


def test_closing_and_cancelling_in_one_turn_is_one_of_the_two(run: Run) -> None:
    async def main() -> None:
        for how in WAITING:
            for order in (0, 1):
                sock, call, others = await prepared(how)
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(outcome, call)
                    await turns()
                    if order:
                        task.cancel()
                        sock.close()
                    else:
                        sock.close()
                        task.cancel()
                assert task.cancelled() or isinstance(task.result(), giambio.ClosedResourceError)
                for other in others:
                    other.close()

    with_limit(run, main)


def test_an_operation_is_awaited_once_and_warns_if_never(run: Run) -> None:
    """Rules 3.12, 3.13: awaited once, and a warning if never."""

    async def main() -> None:
        left, right = wrapped("Unix")
        with left, right:
            operation = left.send_all(b"x")
            await operation
            with pytest.raises(RuntimeError, match=r"AsyncSocket.send_all\(\) was awaited already"):
                await operation
            for call, name in ((left.send_all, "send_all"), (left.send, "send")):
                with pytest.warns(RuntimeWarning, match=rf"AsyncSocket.{name}\(\) was never"):
                    call(b"never")
            with pytest.warns(RuntimeWarning, match=r"AsyncSocket.receive\(\) was never awaited"):
                left.receive(1)
            with pytest.warns(RuntimeWarning, match=r"AsyncSocket.accept\(\) was never awaited"):
                left.accept()
            assert await right.receive(100) == b"x"

    run(main)


def test_awaiting_outside_of_a_loop_says_so(loop: giambio.EventLoop) -> None:
    left, right = map(loop.wrap_socket, socket.socketpair())

    async def main() -> None:
        await left.receive(1)

    with left, right, pytest.raises(RuntimeError, match="must be awaited in a giambio task"):
        main().send(None)


@pytest.mark.skipif(sys.platform != "linux", reason="how full a socket pair gets is Linux's way")
def test_a_full_connection_is_really_full() -> None:
    """The helpers of this module do what they say: a send on a full connection waits."""
    left, right = connected("Unix")
    with left, right:
        assert fill(left) > 0
        with pytest.raises(BlockingIOError):
            left.send(b"x")


def test_after_a_cancelled_send_all_the_stream_cannot_be_ended_cleanly(run: Run) -> None:
    """Rule 5.9: after a cancelled `send_all` further sends raise."""

    async def main() -> None:
        left, right = map(giambio.wrap_socket, socket.socketpair())
        with left, right:
            with giambio.move_on_after(0.01) as scope:
                await left.send_all(bytes(10_000_000))
            assert scope.cancelled_caught
            with pytest.raises(giambio.BrokenResourceError, match="a part was sent"):
                await left.send_eof()

    run(main)
