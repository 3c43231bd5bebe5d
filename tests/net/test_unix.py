"""Unix sockets: files and names, permissions, files left behind, descriptors passed on."""

from __future__ import annotations

import errno
import functools
import os
import pathlib
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.net import (
    descriptors_left,
    drain,
    fill_wrapped,
    half_wrapped,
    open_descriptors,
    outcome,
    turns,
)

Run = Callable[..., Any]
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    """Where a socket may be."""
    return str(tmp_path / "socket")


async def echo(stream: giambio.ByteStream) -> None:
    while data := await stream.receive():
        await stream.send_all(data)


# -- listening and connecting -----------------------------------------------------------------


def test_a_server_and_a_client(run: Run, path: str) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            (listener,) = await manager.start(giambio.serve_unix, echo, path)
            assert listener.address == path
            assert stat.S_ISSOCK(os.stat(path).st_mode)
            for _ in range(3):
                async with await giambio.connect_unix(path) as client:
                    assert isinstance(client, giambio.AsyncSocket)
                    await client.send_all(b"hello")
                    assert await client.receive() == b"hello"
            manager.cancel()
        assert not os.path.exists(path)

    run(main, threads=False)


@pytest.mark.parametrize("form", [str, os.fsencode, pathlib.Path])
def test_a_path_can_be_written_in_many_ways(run: Run, path: str, form: Any) -> None:
    async def main() -> None:
        async with (
            await giambio.open_unix_listener(form(path)) as listener,
            await giambio.connect_unix(form(path)),
        ):
            connection, _ = await listener.accept()
            connection.close()
        assert not os.path.exists(path)

    run(main)


@linux
@pytest.mark.parametrize("name", ["\0giambio-test", b"\0giambio-test"])
def test_a_name_in_the_abstract_name_space(run: Run, name: Any) -> None:
    """Rule 16.14: abstract addresses."""

    async def main() -> None:
        for _ in range(2):
            async with await giambio.open_unix_listener(name) as listener:
                async with await giambio.connect_unix(name):
                    connection, _ = await listener.accept()
                    connection.close()
                with pytest.raises(OSError, match="already in use") as caught:
                    await giambio.open_unix_listener(name)
                assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(ConnectionRefusedError):
            await giambio.connect_unix(name)
        with pytest.raises(ValueError, match="has no file and no mode"):
            await giambio.open_unix_listener(name, mode=0o600)

    run(main)


def test_a_server_in_another_process(run: Run, path: str) -> None:
    """Rule 16.14: a server in another process."""
    code = f"""
import giambio
async def handler(stream):
    while data := await stream.receive():
        await stream.send_all(data.upper())
async def main():
    async with giambio.TaskManager() as manager:
        await manager.start(giambio.serve_unix, handler, {path!r})
        print("ready", flush=True)
giambio.run(main)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        async def main() -> None:
            async with await giambio.connect_unix(path) as client:
                await client.send_all(b"hello")
                assert await client.receive() == b"HELLO"

        run(main)
        process.kill()
        process.wait()
        assert os.path.exists(path), "nobody could remove it"

        async def again() -> None:
            with pytest.raises(ConnectionRefusedError):
                await giambio.connect_unix(path)
            (await giambio.open_unix_listener(path)).close()

        run(again)


def test_connecting_to_nothing_names_the_path(run: Run, path: str) -> None:
    async def main() -> None:
        before = open_descriptors()
        with pytest.raises(FileNotFoundError, match=path):
            await giambio.connect_unix(path)
        pathlib.Path(path).touch()
        with pytest.raises(ConnectionRefusedError, match=path):
            await giambio.connect_unix(path)
        assert open_descriptors() == before

    run(main)


def test_cancelled_while_a_listener_has_no_room(run: Run, path: str) -> None:
    """Rule 5.5: cancelled while a listener has no room."""

    async def main() -> None:
        with await giambio.open_unix_listener(path, backlog=0):
            first = await giambio.connect_unix(path)
            with first:
                before = open_descriptors()
                with giambio.move_on_after(0.03) as scope:
                    await giambio.connect_unix(path)
                assert scope.cancelled_caught
                assert open_descriptors() == before

    run(main)


# -- the file ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_permissions_can_be_given(run: Run, path: str, mode: int) -> None:
    async def main() -> None:
        async with await giambio.open_unix_listener(path, mode=mode):
            assert stat.S_IMODE(os.stat(path).st_mode) == mode

    run(main)


def test_nobody_can_connect_before_the_permissions_are_set(
    run: Run, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chmod = os.chmod
    tried: list[type[OSError]] = []

    def connect_first(*args: Any) -> None:
        with socket.socket(socket.AF_UNIX) as plain:
            with pytest.raises(OSError) as caught:
                plain.connect(path)
            tried.append(caught.type)
        chmod(*args)

    monkeypatch.setattr(os, "chmod", connect_first)

    async def main() -> None:
        async with await giambio.open_unix_listener(path, mode=0o600):
            pass

    run(main)
    assert tried == [ConnectionRefusedError]


def test_what_a_dead_server_left_behind_gives_way(run: Run, path: str) -> None:
    """Rule 16.14: a stale socket file is handled."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()

    async def main() -> None:
        assert os.path.exists(path)
        async with (
            await giambio.open_unix_listener(path) as listener,
            await giambio.connect_unix(path),
        ):
            (await listener.accept())[0].close()

    run(main)


def test_a_server_that_is_alive_keeps_its_file(run: Run, path: str) -> None:
    async def main() -> None:
        async with await giambio.open_unix_listener(path) as listener:
            message = rf"Address already in use: '{path}'"
            with pytest.raises(OSError, match=message) as caught:
                await giambio.open_unix_listener(path)
            assert caught.value.errno == errno.EADDRINUSE
            (await listener.accept())[0].close()  # it was asked whether it is alive
            async with await giambio.connect_unix(path):
                (await listener.accept())[0].close()

    run(main)


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_never_removed(run: Run, path: str, kind: str) -> None:
    if kind == "file":
        pathlib.Path(path).write_text("precious")
    elif kind == "directory":
        os.mkdir(path)
    else:
        os.symlink("/nowhere", path)

    async def main() -> None:
        before = open_descriptors()
        with pytest.raises(OSError, match=path):
            await giambio.open_unix_listener(path)
        assert open_descriptors() == before

    run(main)
    assert os.path.lexists(path)


def test_a_file_that_has_taken_its_place_is_not_removed(run: Run, path: str) -> None:
    async def main() -> None:
        async with await giambio.open_unix_listener(path):
            os.unlink(path)
            pathlib.Path(path).write_text("precious")

    run(main)
    assert pathlib.Path(path).read_text() == "precious"


def test_a_file_that_is_gone_already_is_no_error(run: Run, path: str) -> None:
    async def main() -> None:
        async with await giambio.open_unix_listener(path):
            os.unlink(path)

    run(main)


def test_it_is_removed_although_the_working_directory_has_changed(
    run: Run, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        async with await giambio.open_unix_listener("relative"):
            assert (tmp_path / "relative").exists()
            os.chdir("/")
        assert not (tmp_path / "relative").exists()

    run(main)


def test_what_cannot_be_bound_leaves_nothing_behind(run: Run, tmp_path: pathlib.Path) -> None:
    async def main() -> None:
        before = open_descriptors()
        with pytest.raises(FileNotFoundError, match="no/such/directory"):
            await giambio.open_unix_listener(tmp_path / "no/such/directory")
        with pytest.raises(OSError, match="too long"):
            await giambio.open_unix_listener("x" * 200)
        with pytest.raises((TypeError, OverflowError, OSError)):
            await giambio.open_unix_listener(tmp_path / "socket", mode=1 << 80)
        with pytest.raises((TypeError, OverflowError)):
            await giambio.open_unix_listener(tmp_path / "socket", backlog=1 << 40)
        with pytest.raises(ValueError, match="a number of connections from 0 up for backlog"):
            await giambio.open_unix_listener(tmp_path / "socket", backlog=-1)
        assert open_descriptors() == before
        assert list(tmp_path.iterdir()) == []

    run(main)


@pytest.mark.parametrize("call", [giambio.connect_unix, giambio.open_unix_listener])
@pytest.mark.parametrize(("path", "error"), [(5, TypeError), ("", ValueError), (None, TypeError)])
def test_a_bad_path_says_what_is_wrong(run: Run, call: Any, path: Any, error: Any) -> None:
    """Rule 19.1: the error names the mistake."""

    async def main() -> None:
        with pytest.raises(error, match=r"bad address .* for a Unix socket"):
            await call(path)

    run(main)


def test_without_unix_sockets_it_says_so(
    run: Run, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 19.1: the error says so."""

    async def main() -> None:
        monkeypatch.delattr(socket, "AF_UNIX")  # only now: the loop itself needs a socket pair
        for call in (
            lambda: giambio.connect_unix(path),
            lambda: giambio.open_unix_listener(path),
            lambda: giambio.serve_unix(echo, path),
        ):
            with pytest.raises(OSError, match="this system has no Unix sockets"):
                await call()

    run(main)


def test_it_is_stopped_gracefully_as_well(run: Run, path: str) -> None:
    begun, finished = giambio.Event(), []

    async def handler(stream: giambio.AsyncSocket) -> None:
        begun.set()
        assert await stream.receive() == b"go on"
        finished.append(True)

    async def main() -> None:
        serve = functools.partial(giambio.serve_unix, grace=20)
        async with giambio.TaskManager() as manager:
            await manager.start(serve, handler, path)
            async with await giambio.connect_unix(path) as client:
                await begun.wait()
                manager.cancel()
                with giambio.CancelScope(shield=True):
                    await turns()
                    assert not os.path.exists(path)
                    await client.send_all(b"go on")

    run(main)
    assert finished


# -- pairs ------------------------------------------------------------------------------------


def test_a_pair_is_connected(run: Run) -> None:
    """A pair of Unix sockets is connected."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            await left.send_all(b"there")
            await right.send_all(b"back")
            assert (await right.receive(), await left.receive()) == (b"there", b"back")
            await left.send_eof()
            assert await right.receive() == b""

    run(main)


def test_a_pair_needs_a_loop() -> None:
    before = open_descriptors()
    with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
        giambio.socketpair()
    assert open_descriptors() == before


def test_out_of_descriptors_there_is_no_pair_and_no_half(run: Run) -> None:
    async def main() -> None:
        for left in (0, 1):
            with descriptors_left(left), pytest.raises(OSError, match="Too many open files"):
                giambio.socketpair()

    run(main)


# -- passing descriptors ----------------------------------------------------------------------


def is_other_end(reader: int, writer: int) -> bool:
    """Tell whether two descriptors are the ends of one pipe."""
    return os.path.samestat(os.fstat(reader), os.fstat(writer))


def test_descriptors_arrive_with_the_bytes(run: Run) -> None:
    """Rule 16.15: passing file descriptors."""

    async def main() -> None:
        left, right = giambio.socketpair()
        reader, writer = os.pipe()
        with left, right, open(os.devnull) as file:
            await giambio.send_fds(left, b"hello", [writer, file])
            data, fds = await giambio.receive_fds(right)
            assert data == b"hello"
            assert is_other_end(reader, fds[0])
            assert os.path.samestat(os.fstat(fds[1]), os.fstat(file.fileno()))
            assert not set(fds) & {reader, writer, file.fileno()}
            assert not any(os.get_inheritable(fd) for fd in fds)
            for fd in [reader, writer, *fds]:
                os.close(fd)

    run(main)


def test_they_go_to_another_process_and_back(run: Run) -> None:
    """Rule 16.15: to another process and back."""
    code = """
import array, os, socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
while True:
    data, fds, flags, _ = socket.recv_fds(sock, 100, 10)
    if not data:
        break
    for fd in fds:
        os.write(fd, b"from the child")
    reader, writer = os.pipe()
    os.write(writer, b"the child's own")
    socket.send_fds(sock, [data], [reader])
    os.close(reader), os.close(writer)
"""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", code, str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]) as process:
        theirs.close()

        async def main() -> None:
            with giambio.wrap_socket(ours) as sock:
                for _ in range(5):
                    reader, writer = os.pipe()
                    await giambio.send_fds(sock, b"take this", [writer])
                    os.close(writer)
                    data, (fd,) = await giambio.receive_fds(sock)
                    assert data == b"take this"
                    assert os.read(fd, 100) == b"the child's own"
                    assert os.read(reader, 100) == b"from the child"
                    os.close(reader)
                    os.close(fd)

        run(main)
        assert process.wait(20) == 0


def test_receiving_waits_and_so_does_sending(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped("Unix")
        with ours, theirs:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(giambio.receive_fds(ours))
                await turns()
                assert not task.done()
                socket.send_fds(theirs, [b"x"], [0, 1, 2])
            data, fds = task.result()
            assert data == b"x"
            assert len(fds) == 3
            for fd in fds:
                os.close(fd)

            total = await fill_wrapped(ours)
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(giambio.send_fds(ours, b"more", [0]))
                await turns()
                assert not task.done()
                drain(theirs, total)
            data, fds, _, _ = socket.recv_fds(theirs, 100, 10)
            assert (data, len(fds)) == (b"more", 1)
            os.close(fds[0])

    run(main)


def test_all_of_the_data_is_sent_and_the_descriptors_once(run: Run) -> None:
    size = 3_000_000

    async def main() -> None:
        left, right = giambio.socketpair()
        payload = os.urandom(size)
        with left, right:
            async with giambio.TaskManager() as manager:
                manager.start_soon(giambio.send_fds(left, payload, [0, 1]))
                received, all_fds = b"", []
                while len(received) < size:
                    data, fds = await giambio.receive_fds(right, 262144)
                    received += data
                    all_fds += fds
        assert received == payload
        assert len(all_fds) == 2
        for fd in all_fds:
            os.close(fd)

    run(main)


def test_bytes_without_descriptors_and_the_end(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            await left.send_all(b"plain")
            assert await giambio.receive_fds(right) == (b"plain", [])
            await giambio.send_fds(left, b"none", [])
            assert await right.receive() == b"none"
            await left.send_eof()
            assert await giambio.receive_fds(right) == (b"", [])

    run(main)


def test_an_ordinary_receive_loses_the_descriptors_but_leaks_none(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            before = open_descriptors()
            await giambio.send_fds(left, b"x", [0])
            assert await right.receive() == b"x"
            assert open_descriptors() == before

    run(main)


@pytest.mark.parametrize("moment", range(6))
def test_a_cancelled_receive_has_taken_no_descriptor(run: Run, moment: int) -> None:
    """Rules 5.5, 16.15: it loses nothing and leaks nothing."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            before = open_descriptors()
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(giambio.receive_fds(right))
                await turns(moment)
                await giambio.send_fds(left, b"x", [0])
                task.cancel()
            if task.cancelled():
                assert open_descriptors() == before
                data, fds = await giambio.receive_fds(right)
            else:
                data, fds = task.result()
            assert (data, len(fds)) == (b"x", 1)
            os.close(fds[0])

    run(main)


def test_a_send_cancelled_half_way_breaks_sending(run: Run) -> None:
    """Rule 5.9: further sends raise `BrokenResourceError`."""

    async def main() -> None:
        ours, theirs = half_wrapped("Unix")
        with ours, theirs:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(giambio.send_fds(ours, bytes(10_000_000), [0]))
                await turns()
                task.cancel()
            assert task.cancelled()
            with pytest.raises(
                giambio.BrokenResourceError, match="was cancelled or failed when a part was"
            ):
                await giambio.send_fds(ours, b"x", [0])
            with pytest.raises(
                giambio.BrokenResourceError, match="was cancelled or failed when a part was"
            ):
                await ours.send_all(b"x")

    run(main)


def test_a_send_cancelled_before_anything_was_sent_did_not_happen(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped("Unix")
        with ours, theirs:
            total = await fill_wrapped(ours)
            with giambio.move_on_after(0.01) as scope:
                await giambio.send_fds(ours, b"never", [0])
            assert scope.cancelled_caught
            drain(theirs, total)
            await giambio.send_fds(ours, b"now", [0])
            data, fds, _, _ = socket.recv_fds(theirs, 100, 10)
            assert (data, len(fds)) == (b"now", 1)
            os.close(fds[0])

    run(main)


@linux
def test_more_descriptors_than_wanted_are_an_error_and_all_are_closed(run: Run) -> None:
    """Rule 16.15: the system would only set a flag."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            before = open_descriptors()
            for most in (0, 1, 2):
                await giambio.send_fds(left, b"x", [0, 1, 2, 0, 1])
                with pytest.raises(OSError, match=f"more than max_fds={most} desc") as caught:
                    await giambio.receive_fds(right, max_fds=most)
                assert caught.value.errno == errno.EMSGSIZE
                assert open_descriptors() == before
            await giambio.send_fds(left, b"y", [0])
            data, fds = await giambio.receive_fds(right, max_fds=1)
            assert (data, len(fds)) == (b"y", 1)
            os.close(fds[0])

    run(main)


@linux
@pytest.mark.parametrize("left_over", [0, 2])
def test_out_of_descriptors_is_an_error_and_all_are_closed(run: Run, left_over: int) -> None:
    """Rule 15.18: it is an error, and all that came are closed."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            before = open_descriptors()
            await giambio.send_fds(left, b"x", [0] * 5)
            with descriptors_left(left_over):
                error = await outcome(giambio.receive_fds, right)
            assert isinstance(error, OSError)
            assert error.errno == errno.EMFILE
            assert "Too many open files: descriptors that came were lost" in str(error)
            assert open_descriptors() == before

    run(main)


@linux
def test_as_many_as_the_system_passes_at_once(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            await giambio.send_fds(left, b"x", [0] * 253)
            data, fds = await giambio.receive_fds(right)
            assert (data, len(set(fds))) == (b"x", 253)
            for fd in fds:
                os.close(fd)
            with pytest.raises(ValueError, match="can send 253 descriptors at once, not 254"):
                giambio.send_fds(left, b"x", [0] * 254)

    run(main)


def test_a_peer_that_is_gone(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.socketpair()
        with left:
            right.close()
            with pytest.raises(giambio.BrokenResourceError):
                await giambio.send_fds(left, b"x", [0])
            assert await giambio.receive_fds(left) == (b"", [])

    run(main)


def test_a_descriptor_that_is_not_open_is_an_error_and_nothing_was_sent(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            free = os.dup(0)
            os.close(free)
            with pytest.raises(OSError, match="Bad file descriptor"):
                await giambio.send_fds(left, b"x", [0, free])
            await left.send_all(b"y")
            assert await giambio.receive_fds(right) == (b"y", [])

    run(main)


def test_a_closed_socket_and_a_busy_one(run: Run) -> None:
    """Rules 15.16, 15.17: a closed socket, a second reader, a second writer."""

    async def main() -> None:
        ours, theirs = half_wrapped("Unix")
        with theirs:
            await fill_wrapped(ours)
            async with giambio.TaskManager() as manager:
                receiving = manager.start_soon(outcome, giambio.receive_fds, ours)
                sending = manager.start_soon(outcome, giambio.send_fds, ours, b"x", [0])
                await turns()
                for call in (
                    lambda: ours.receive(),
                    lambda: giambio.receive_fds(ours),
                    lambda: ours.send_all(b"x"),
                    lambda: giambio.send_fds(ours, b"x", []),
                ):
                    with pytest.raises(giambio.BusyResourceError):
                        await call()
                ours.close()
            assert isinstance(receiving.result(), giambio.ClosedResourceError)
            assert isinstance(sending.result(), giambio.ClosedResourceError)
            for call in (
                lambda: giambio.receive_fds(ours),
                lambda: giambio.send_fds(ours, b"x", []),
            ):
                with pytest.raises(giambio.ClosedResourceError):
                    await call()

    run(main)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: giambio.send_fds(s, b"", [0]), ValueError, "needs some bytes to send the"),
        (lambda s: giambio.send_fds(s, "x", [0]), TypeError, "encode text first"),
        (lambda s: giambio.send_fds(s, b"x", 0), TypeError, "not iterable"),
        (lambda s: giambio.send_fds(s, b"x", ["0"]), TypeError, "send_fds.* needs a descriptor's"),
        (lambda s: giambio.send_fds(s, b"x", [-1]), ValueError, "needs an open descriptor"),
        (lambda s: giambio.send_fds(5, b"x", [0]), TypeError, "an AsyncSocket of the Unix family"),
        (lambda s: giambio.receive_fds(5), TypeError, "an AsyncSocket of the Unix family, not 5"),
        (
            lambda s: giambio.receive_fds(s, 0),
            ValueError,
            "number of bytes from 1 up for max_size, not 0",
        ),
        (
            lambda s: giambio.receive_fds(s, 9, -1),
            ValueError,
            "from 0 up for max_fds, not -1",
        ),
        (lambda s: giambio.receive_fds(s, 9, 1.5), TypeError, "a whole number for max_fds"),
    ],
)
def test_bad_input_says_what_is_wrong(run: Run, call: Any, error: Any, message: str) -> None:
    """Rule 19.1: the error names the mistake."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right, pytest.raises(error, match=message):
            call(left)

    run(main)


def test_only_unix_sockets_carry_descriptors(run: Run) -> None:
    async def main() -> None:
        with giambio.wrap_socket(socket.socket()) as sock:
            for call in (
                lambda: giambio.receive_fds(sock),
                lambda: giambio.send_fds(sock, b"x", [0]),
            ):
                with pytest.raises(TypeError, match="an AsyncSocket of the Unix family, not <giam"):
                    call()

    run(main)


def test_a_server_hands_its_listener_on(run: Run) -> None:
    """What descriptors are passed for: the next server goes on where this one ends."""

    async def main() -> None:
        old, new = giambio.socketpair()
        with old, new:
            plain = socket.create_server(("127.0.0.1", 0))
            address = plain.getsockname()
            with plain:
                await giambio.send_fds(old, b"listener", [plain])
            _, (fd,) = await giambio.receive_fds(new)
            listener = giambio.SocketListener(giambio.wrap_socket(socket.socket(fileno=fd)))
            async with giambio.TaskManager() as manager:
                manager.start_soon(giambio.serve_listeners, echo, [listener])
                async with await giambio.connect_tcp(*address) as client:
                    await client.send_all(b"hello")
                    assert await client.receive() == b"hello"
                manager.cancel()

    run(main)
