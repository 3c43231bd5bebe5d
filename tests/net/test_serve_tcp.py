"""`serve_tcp`: a task for each connection, the errors of handlers, a graceful stop."""

from __future__ import annotations

import errno
import functools
import logging
import math
import socket
import ssl
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import giambio
from giambio.testing import wait_all_tasks_blocked
from support.kernel import ManualClock, finish
from support.net import FaultySocket, open_descriptors, outcome, receive_to_the_end, reset, turns
from support.tls import Certificates

Run = Callable[..., Any]
LOG = "giambio.serve"


async def echo(stream: giambio.ByteStream) -> None:
    while data := await stream.receive():
        await stream.send_all(data)


async def start(
    manager: giambio.TaskManager, handler: Any, **options: Any
) -> tuple[giambio.Task[None], tuple[str, int]]:
    """Start a server on the loopback: its task, and its address."""
    tasks: list[giambio.Task[None]] = []

    async def serve(*, task_status: Any) -> None:
        tasks.append(giambio.current_task())
        await giambio.serve_tcp(handler, 0, host="127.0.0.1", task_status=task_status, **options)

    (listener,) = await manager.start(serve)
    return tasks[0], listener.address


def connect(address: tuple[str, int]) -> socket.socket:
    """A plain, blocking client."""
    return socket.create_connection(address, 20)


async def until(condition: Callable[[], bool]) -> None:
    """Let turns pass until something has happened."""
    while not condition():
        await giambio.checkpoint()


async def ended(sock: socket.socket) -> bytes:
    """What the server sends until it closes the connection."""
    sock.setblocking(False)
    data = b""
    while True:
        await giambio.wait_readable(sock)
        piece = sock.recv(65536)
        if not piece:
            return data
        data += piece


# -- serving ----------------------------------------------------------------------------------


def test_each_connection_has_a_task_and_a_stream(run: Run) -> None:
    async def client(address: Any, number: int) -> bytes:
        async with await giambio.connect_tcp(*address) as stream:
            await stream.send_all(b"%d" % number)
            await stream.send_eof()
            return await receive_to_the_end(stream)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, echo)
            async with giambio.TaskManager() as clients:
                tasks = [clients.start_soon(client, address, number) for number in range(50)]
            assert [task.result() for task in tasks] == [b"%d" % number for number in range(50)]
            manager.cancel()

    run(main, threads=False)


def test_the_stream_is_closed_after_the_handler(run: Run) -> None:
    streams = []

    async def handler(stream: giambio.AsyncSocket) -> None:
        streams.append(stream)
        await stream.send_all(b"bye")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler)
            with connect(address) as client:
                assert await ended(client) == b"bye"
            assert streams[0].fileno() == -1
            manager.cancel()

    run(main)


def test_a_handler_may_close_its_stream_itself(run: Run) -> None:
    async def handler(stream: giambio.AsyncSocket) -> None:
        await stream.close()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler, on_error="raise")
            with connect(address) as client:
                assert await ended(client) == b""
            manager.cancel()

    run(main)


def test_it_serves_this_machine_by_default(run: Run) -> None:
    """Rule 16.4: by IPv4 and IPv6."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            listeners = await manager.start(giambio.serve_tcp, echo, 0)
            assert {listener.address[0] for listener in listeners} == {"127.0.0.1", "::1"}
            for host in ("127.0.0.1", "::1"):
                port = listeners[0].address[1]
                async with await giambio.connect_tcp(host, port) as stream:
                    await stream.send_all(b"hello")
                    assert await stream.receive() == b"hello"
            manager.cancel()

    run(main)


def test_what_can_be_awaited_can_handle(run: Run) -> None:
    """Rule 7.10: judged by what the call returned."""

    class Greeter:
        def __init__(self, greeting: bytes) -> None:
            self.greeting = greeting

        def __call__(self, stream: giambio.AsyncSocket) -> Any:
            return stream.send_all(self.greeting)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for handler in (Greeter(b"hello"), functools.partial(lambda s: s.send_all(b"hello"))):
                _, address = await start(manager, handler, on_error="raise")
                with connect(address) as client:
                    assert await ended(client) == b"hello"
            manager.cancel()

    run(main)


def test_listeners_of_ones_own_can_be_served(run: Run) -> None:
    """Any `Listener` will do."""

    class InMemory(giambio.Listener):
        def __init__(self, *streams: giambio.ByteStream) -> None:
            self.streams = list(streams)
            self.closed = 0

        async def accept(self) -> tuple[giambio.ByteStream, Any]:
            if not self.streams:
                await giambio.sleep_forever()
            return self.streams.pop(), None

        def close_now(self) -> None:
            self.closed += 1

    async def main() -> None:
        ours, theirs = giambio.memory_stream_pair()
        listener = InMemory(theirs)
        async with giambio.TaskManager() as manager:
            await manager.start(giambio.serve_listeners, echo, [listener])
            await ours.send_all(b"hello")
            assert await ours.receive() == b"hello"
            manager.cancel()
        assert listener.closed

    run(main)


def test_a_socket_that_listens_can_be_served(driver: str) -> None:
    """And it survives as any listener does."""
    loop = giambio.EventLoop(driver=driver, clock=ManualClock())

    async def main() -> None:
        plain = FaultySocket(OSError(errno.EMFILE, "Too many open files"))
        listener = giambio.wrap_socket(plain)
        async with giambio.TaskManager() as manager:
            await manager.start(giambio.serve_listeners, echo, [listener])
            with connect(plain.getsockname()) as client:
                client.send(b"hello")
                client.shutdown(socket.SHUT_WR)
                assert await ended(client) == b"hello"
            manager.cancel()
        assert plain.fileno() == -1

    finish(loop, loop.begin(main))
    loop.close()


def test_what_is_no_listener_is_an_error(run: Run) -> None:
    """Rule 19.1: the error names the mistake."""

    async def main() -> None:
        with socket.socket() as plain, pytest.raises(TypeError, match=r"the kind of giambio\.Li"):
            await giambio.serve_listeners(echo, [plain])  # type: ignore[list-item]
        listeners: Any
        for listeners in (giambio.open_tcp_listeners(0), 5, None):  # a forgotten await
            with pytest.raises(TypeError, match=r"such as await giambio\.open_tcp_listeners\("):
                await giambio.serve_listeners(echo, listeners)

    run(main)


def test_a_server_keeps_nothing_of_connections_that_have_ended(run: Run) -> None:
    """Rule 7.24: a server may serve for years."""

    tasks: list[weakref.ref[Any]] = []

    async def handler(stream: giambio.AsyncSocket) -> None:
        tasks.append(weakref.ref(giambio.current_task()))
        await echo(stream)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler)
            before: set[int] = set()
            for number in range(100):
                with connect(address) as client:
                    client.shutdown(socket.SHUT_WR)
                    assert await ended(client) == b""
                if not number:
                    before = open_descriptors()
            await until(lambda: not any(task() for task in tasks))
            assert len(tasks) == 100
            assert open_descriptors() == before
            manager.cancel()

    run(main)


# -- errors -----------------------------------------------------------------------------------


class Wrong(Exception):
    """What a handler of these tests fails with."""


async def failing(stream: giambio.ByteStream) -> None:
    raise Wrong("by design")


def test_an_error_is_logged_with_its_traceback_and_the_server_goes_on(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 16.7: servers survive their clients."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, failing)
            for _ in range(3):
                with connect(address) as client:
                    assert await ended(client) == b""
                    ours = client.getsockname()
            assert [record.name for record in caplog.records] == [LOG] * 3
            record = caplog.records[-1]
            assert record.levelno == logging.ERROR
            assert record.getMessage() == f"the handler of the connection from {ours} failed"
            manager.cancel()

    run(main)
    assert "Wrong: by design" in caplog.text
    assert caplog.records[0].exc_info is not None
    frames = traceback.extract_tb(caplog.records[0].exc_info[2])
    assert [frame.name for frame in frames] == ["failing"], "it shows the user's code only"


def test_the_log_tells_who_it_was_also_when_the_stream_is_closed(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def closing(stream: giambio.AsyncSocket) -> None:
        async with stream:
            raise Wrong("by design")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, closing)
            with connect(address) as client:
                assert await ended(client) == b""
                ours = client.getsockname()
            (record,) = caplog.records
            assert record.getMessage() == f"the handler of the connection from {ours} failed"
            manager.cancel()

    run(main)


def test_on_error_gets_the_error_and_the_stream_which_is_open(run: Run) -> None:
    """Rule 16.7: any other exception goes to `on_error(exc, stream)`."""
    seen = []

    def on_error(exc: Exception, stream: Any) -> None:
        seen.append((type(exc), stream.getpeername(), stream.fileno() > 0))

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, failing, on_error=on_error)
            with connect(address) as client:
                assert await ended(client) == b""
                assert seen == [(Wrong, client.getsockname(), True)]
            manager.cancel()

    run(main)


def test_on_error_may_stop_the_server(run: Run) -> None:
    def on_error(exc: Exception, stream: Any) -> None:
        raise LookupError("enough") from exc

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, failing, on_error=on_error, grace=1000)
            with connect(address) as client:
                await ended(client)

    with pytest.raises(LookupError, match="enough") as caught:
        run(main)
    assert isinstance(caught.value.__cause__, Wrong)


def test_raise_stops_the_server_and_all_its_connections(run: Run) -> None:
    """Rule 16.7: `on_error="raise"` stops it."""
    begun, ends = [], []

    async def handler(stream: giambio.AsyncSocket) -> None:
        if await stream.receive() == b"fail":
            raise Wrong("by design")
        begun.append(stream)
        try:
            await stream.receive()
        except giambio.CancelledError:
            ends.append("cancelled")
            raise

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler, on_error="raise", grace=1000)
            addresses.append(address)
            with connect(address) as other, connect(address) as client:
                other.send(b"wait")
                await until(lambda: bool(begun))
                client.send(b"fail")
                assert await ended(client) == await ended(other) == b""

    addresses: list[tuple[str, int]] = []
    with pytest.raises(Wrong, match="by design"):
        run(main)
    assert ends == ["cancelled"]
    with pytest.raises(ConnectionRefusedError):
        connect(addresses[0])


@pytest.mark.parametrize("strict", [False, True])
def test_one_error_is_raised_as_itself_also_in_a_strict_loop(run: Run, strict: bool) -> None:
    """The managers inside of a server are its own affair."""

    async def main() -> None:
        listeners = await giambio.open_tcp_listeners(0, host="127.0.0.1")
        with connect(listeners[0].address), pytest.raises(Wrong):
            await giambio.serve_listeners(failing, listeners, on_error="raise")

    run(main, strict=strict)


@pytest.mark.parametrize(
    "error",
    [
        giambio.BrokenResourceError("broken"),
        giambio.ClosedResourceError("closed"),
        ExceptionGroup("both", [giambio.BrokenResourceError(), giambio.ClosedResourceError()]),
    ],
)
def test_a_broken_or_closed_connection_is_no_error(
    run: Run, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Rule 16.6: a handler that ends with a broken connection ends only its own connection."""
    caplog.set_level(logging.DEBUG, LOG)

    async def handler(stream: giambio.AsyncSocket) -> None:
        raise error

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler, on_error="raise")
            with connect(address) as client:
                assert await ended(client) == b""
            manager.cancel()

    run(main)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


def test_a_group_is_reported_without_the_broken_connections_in_it(run: Run) -> None:
    seen: list[Exception] = []

    async def handler(stream: giambio.AsyncSocket) -> None:
        raise ExceptionGroup("several", [giambio.BrokenResourceError(), Wrong("this")])

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            on_error = lambda exc, stream: seen.append(exc)  # noqa: E731
            _, address = await start(manager, handler, on_error=on_error)
            with connect(address) as client:
                await ended(client)
            manager.cancel()

    run(main)
    (group,) = seen
    assert isinstance(group, ExceptionGroup)
    assert [type(exc) for exc in group.exceptions] == [Wrong]


def test_another_connection_error_is_an_error(run: Run) -> None:
    """A handler that cannot connect to its database has not lost its client."""

    async def handler(stream: giambio.AsyncSocket) -> None:
        raise ConnectionRefusedError("the database is down")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler, on_error="raise")
            with connect(address) as client:
                await ended(client)

    with pytest.raises(ConnectionRefusedError):
        run(main)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_is_never_swallowed(run: Run, error: type[BaseException]) -> None:
    async def handler(stream: giambio.AsyncSocket) -> None:
        raise error

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler, grace=1000)
            with connect(address) as client:
                await ended(client)

    with pytest.raises(error):
        run(main)


def test_a_handler_that_cancels_itself_ends_only_its_connection(run: Run) -> None:
    async def handler(stream: giambio.AsyncSocket) -> None:
        giambio.current_task().cancel()
        await stream.receive()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task, address = await start(manager, handler, on_error="raise")
            for _ in range(2):
                with connect(address) as client:
                    assert await ended(client) == b""
            assert not task.done()
            manager.cancel()

    run(main)


# -- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "options", "error", "message"),
    [
        (None, {}, TypeError, "needs the async function that handles a connection, not None"),
        (echo, {"on_error": "ignore"}, TypeError, 'a function or "raise" for on_error'),
        (echo, {"grace": -1}, ValueError, "seconds from 0 up for grace, not -1"),
        (echo, {"grace": "1"}, TypeError, "needs a number for grace"),
        (echo, {"handshake_timeout": -1}, ValueError, "seconds from 0 up for handshake_timeout"),
        (echo, {"handshake_timeout": None}, TypeError, "needs a number for handshake_timeout"),
        (echo, {"tls": True}, TypeError, "needs an ssl.SSLContext for tls, not True"),
        (
            echo,
            {"tls": ssl.create_default_context()},
            ValueError,
            "got a client's context for tls; make a server's",
        ),
    ],
)
def test_bad_input_says_what_is_wrong(
    run: Run, handler: Any, options: Any, error: type[Exception], message: str
) -> None:
    """Rule 19.1: the error names the mistake."""

    async def main() -> None:
        for serve in (
            lambda: giambio.serve_tcp(handler, 0, **options),
            lambda: giambio.serve_listeners(handler, [], **options),
        ):
            with pytest.raises(error, match=message):
                await serve()

    run(main)


def test_a_coroutine_is_no_handler(run: Run) -> None:
    """Rules 19.2, 19.4: nothing is left that was never awaited."""

    async def main() -> None:
        with pytest.raises(TypeError, match="write it without the parentheses"):
            await giambio.serve_tcp(echo(None), 0)  # type: ignore[arg-type]

    run(main)


def test_a_handler_that_is_not_async_stops_the_server_with_an_explanation(run: Run) -> None:
    """Rule 19.4: the error names the handler and what it returned."""

    def handler(stream: giambio.AsyncSocket) -> str:
        return "nothing to await"

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler)
            with connect(address) as client:
                await ended(client)

    message = r"serve_tcp\(\) needs an async function, but .*handler\(\) returned 'nothing to"
    with pytest.raises(TypeError, match=message):
        run(main)


def test_on_error_that_is_async_stops_the_server_with_an_explanation(run: Run) -> None:
    """Rule 19.4: the error asks for a plain function."""

    async def on_error(exc: Exception, stream: Any) -> None:
        pass

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, failing, on_error=on_error)
            with connect(address) as client:
                await ended(client)

    with pytest.raises(TypeError, match=r"serve_tcp\(\) needs a plain function for on_error"):
        run(main)


def test_no_listener_is_an_error(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="needs a listener, and got none"):
            await giambio.serve_listeners(echo, [])

    run(main)


def test_what_cannot_be_served_is_closed_too(run: Run) -> None:
    async def main() -> None:
        listeners = await giambio.open_tcp_listeners(0)
        with pytest.raises(TypeError):
            await giambio.serve_listeners(None, listeners)  # type: ignore[arg-type]
        for listener in listeners:
            with pytest.raises(giambio.ClosedResourceError):
                await listener.accept()

    run(main)


def test_a_port_that_is_taken_comes_out_of_start(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, (host, port) = await start(manager, echo)
            serve = functools.partial(giambio.serve_tcp, host=host)
            with pytest.raises(OSError, match="in use"):
                await manager.start(serve, echo, port)
            manager.cancel()

    run(main)


# -- stopping ---------------------------------------------------------------------------------


def test_stopped_without_grace_it_cancels_its_handlers_with_the_same_reason(run: Run) -> None:
    begun, reasons = [], []

    async def handler(stream: giambio.AsyncSocket) -> None:
        begun.append(stream)
        try:
            await stream.receive()
        except giambio.CancelledError as exc:
            reasons.append(exc.reason)
            raise

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task, address = await start(manager, handler)
            with connect(address) as client:
                await until(lambda: bool(begun))
                task.cancel("SIGTERM")
                assert await ended(client) == b""
            await until(task.done)
            with pytest.raises(ConnectionRefusedError):
                connect(address)
        assert task.cancelled()

    run(main)
    assert reasons == ["SIGTERM"]


class Timed:
    """Runs with a clock that is set by hand, and jumps when there is nothing to do."""

    def __init__(self, driver: str) -> None:
        self.clock = ManualClock()
        self._loop = giambio.EventLoop(driver=driver, clock=self.clock)

    def run(self, main: Any) -> Any:
        try:
            return finish(self._loop, self._loop.begin(main))
        finally:
            self._loop.close()


@pytest.fixture
def timed(driver: str) -> Timed:
    return Timed(driver)


def test_a_stop_closes_the_listeners_at_once_and_waits_for_the_handlers(timed: Timed) -> None:
    """Rule 16.8: stop accepting, give handlers a grace period."""

    begun = []

    async def handler(stream: giambio.AsyncSocket) -> None:
        begun.append(stream)
        await giambio.sleep(3)
        await stream.send_all(b"finished")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task, address = await start(manager, handler, grace=5)
            with connect(address) as client:
                await until(lambda: bool(begun))
                stopped_at = giambio.current_time()
                task.cancel()
                await turns()
                with pytest.raises(ConnectionRefusedError):
                    connect(address)
                assert not task.done()
                assert await ended(client) == b"finished"
            await outcome(task.join)
            assert giambio.current_time() - stopped_at == 3  # no longer than it needs
        assert task.cancelled()

    timed.run(main)


def test_handlers_that_take_longer_than_the_grace_are_cancelled(timed: Timed) -> None:
    """Rule 16.8: give handlers a grace period, then cancel them."""
    begun, ends = [], []

    async def handler(stream: giambio.AsyncSocket) -> None:
        begun.append(stream)
        try:
            await giambio.sleep(1000)
        finally:
            ends.append(giambio.current_time())

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task, address = await start(manager, handler, grace=5)
            with connect(address) as client, connect(address):
                await until(lambda: len(begun) == 2)
                stopped_at = giambio.current_time()
                task.cancel()
                assert await ended(client) == b""
            await outcome(task.join)
            assert ends == [stopped_at + 5] * 2
        assert task.cancelled()

    timed.run(main)


def test_a_client_that_does_not_read_is_cut_off_after_the_grace(timed: Timed) -> None:
    """Rule 16.8: a client that does not read is no exception."""

    async def handler(stream: giambio.AsyncSocket) -> None:
        await stream.send_all(bytes(64 << 20))

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task, address = await start(manager, handler, grace=5)
            with connect(address) as client:
                await giambio.wait_readable(client)
                stopped_at = giambio.current_time()
                task.cancel()
                await outcome(task.join)
                assert giambio.current_time() == stopped_at + 5
                assert len(await ended(client)) < 64 << 20

    timed.run(main)


def test_handlers_may_have_as_long_as_they_need(timed: Timed) -> None:
    begun = []

    async def handler(stream: giambio.AsyncSocket) -> None:
        begun.append(stream)
        await giambio.sleep(10**6)
        await stream.send_all(b"finished")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task, address = await start(manager, handler, grace=math.inf)
            with connect(address) as client:
                await until(lambda: bool(begun))
                task.cancel()
                assert await ended(client) == b"finished"

    timed.run(main)


def test_an_idle_server_stops_at_once(timed: Timed) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task, _ = await start(manager, echo, grace=1000)
            before = giambio.current_time()
            task.cancel()
            await outcome(task.join)
            assert giambio.current_time() == before

    timed.run(main)


def test_a_deadline_stops_a_server_too(timed: Timed) -> None:
    async def handler(stream: giambio.AsyncSocket) -> None:
        await giambio.sleep(12)
        await stream.send_all(b"finished")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            listeners = await giambio.open_tcp_listeners(0, host="127.0.0.1")

            async def serve() -> bool:
                with giambio.move_on_after(10) as scope:
                    await giambio.serve_listeners(handler, listeners, grace=5)
                return scope.cancelled_caught

            task = await manager.spawn(serve)
            with connect(listeners[0].address) as client:
                assert await ended(client) == b"finished"
        assert task.result()

    timed.run(main)


def test_an_error_while_it_stops_is_still_reported(timed: Timed) -> None:
    begun = []

    async def handler(stream: giambio.AsyncSocket) -> None:
        begun.append(stream)
        await giambio.sleep(1)
        raise Wrong("late")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task, address = await start(manager, handler, grace=5, on_error="raise")
            with connect(address) as client:
                await until(lambda: bool(begun))
                task.cancel()
                await ended(client)

    with pytest.raises(Wrong, match="late"):
        timed.run(main)


@pytest.mark.parametrize("grace", [0, 5])
def test_a_listener_that_fails_ends_the_server_after_the_grace(timed: Timed, grace: float) -> None:
    begun, ends = [], []

    async def handler(stream: giambio.AsyncSocket) -> None:
        begun.append(stream)
        try:
            await giambio.sleep(3)
            ends.append("finished")
        except giambio.CancelledError:
            ends.append("cancelled")
            raise

    async def main() -> None:
        listeners = await giambio.open_tcp_listeners(0, host="127.0.0.1")
        async with giambio.TaskManager() as manager:
            serve = functools.partial(giambio.serve_listeners, grace=grace)
            manager.start_soon(serve, handler, listeners)
            with connect(listeners[0].address) as client:
                await until(lambda: bool(begun))
                listeners[0].close()
                await ended(client)

    with pytest.raises(giambio.ClosedResourceError):
        timed.run(main)
    assert ends == ["finished" if grace else "cancelled"]


def test_a_connection_that_comes_after_the_server_has_stopped_is_closed(run: Run) -> None:
    """Rule 16.8: the task that was about to serve it is cancelled before it begins."""
    ours, theirs = [], []

    class Late(giambio.Listener):
        async def accept(self) -> tuple[giambio.ByteStream, Any]:
            with giambio.CancelScope(shield=True):
                await turns(20)
            left, right = giambio.socketpair()
            ours.append(left)
            theirs.append(right)
            return right, None

        def close_now(self) -> None:
            pass

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.serve_listeners, echo, [Late()])
            await turns(3)
            task.cancel()
        with ours[0]:
            assert await ours[0].receive() == b""
        assert theirs[0].fileno() == -1

    run(main)


@pytest.mark.parametrize("grace", [0, 5])
def test_cancelled_at_any_moment_nothing_is_left_open(run: Run, grace: float) -> None:
    """Rule 5.5: cancelled at any moment, nothing is left open."""

    async def main() -> None:
        await giambio.sleep(0)
        before = open_descriptors()
        for moment in range(20):
            listeners = await giambio.open_tcp_listeners(0, host="127.0.0.1")
            serve = functools.partial(giambio.serve_listeners, grace=grace)
            with connect(listeners[0].address) as client:
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(serve, echo, listeners)
                    await turns(moment)
                    task.cancel()
                    await turns(moment)
                    with suppress(OSError):  # it was reset already
                        client.shutdown(socket.SHUT_WR)
                assert task.cancelled()
            assert open_descriptors() == before

    run(main)


# -- TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def test_tls_is_spoken_if_there_is_a_context(run: Run, certificates: Certificates) -> None:
    """Rule 16.6: over TLS as without it."""
    streams = []

    async def handler(stream: giambio.TLSStream) -> None:
        streams.append(stream)
        await echo(stream)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, (_, port) = await start(manager, handler, tls=certificates.server())
            client_context = certificates.client()
            for host in ("127.0.0.1", "localhost"):
                async with await giambio.connect_tcp(host, port, tls=client_context) as stream:
                    assert isinstance(stream, giambio.TLSStream)
                    await stream.send_all(b"hello")
                    assert await stream.receive() == b"hello"
            manager.cancel()

    run(main)
    assert all(isinstance(stream, giambio.TLSStream) for stream in streams)


def test_the_log_tells_who_it_was_that_spoke_tls(
    run: Run, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, LOG)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, failing, tls=certificates.server())
            stream = await giambio.connect_tcp(*address, tls=certificates.client())
            async with stream:
                ours = stream.transport_stream.getsockname()  # type: ignore[attr-defined]
                assert await stream.receive() == b""
            with connect(address) as client:
                client.send(b"GET / HTTP/1.1\r\n\r\n")  # no TLS
                await ended(client)
                other = client.getsockname()
            manager.cancel()
        failed, broken = (record.getMessage() for record in caplog.records)
        assert failed == f"the handler of the connection from {ours} failed"
        assert broken.startswith(f"the TLS handshake with {other} failed: ")

    run(main)


def test_a_big_answer_ends_with_a_goodbye(run: Run, certificates: Certificates) -> None:
    """Rule 16.10: clean `close_notify`, also when there is no room for it at first."""
    size = 5_000_000

    async def handler(stream: giambio.TLSStream) -> None:
        await stream.send_all(bytes(size))

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler, tls=certificates.server())
            stream = await giambio.connect_tcp(*address, tls=certificates.client())
            async with stream:
                received = 0
                while data := await stream.receive(1000):  # truncation would be an error
                    received += len(data)
                assert received == size
            manager.cancel()

    run(main)


def test_a_certificate_that_nobody_trusts_leaves_nothing_open(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, echo, tls=certificates.server())
            await turns()
            before = open_descriptors()
            for _ in range(3):
                with pytest.raises(ssl.SSLCertVerificationError):
                    await giambio.connect_tcp(*address, tls=True)
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            with pytest.raises(ValueError, match="for the other side"):
                await giambio.connect_tcp(*address, tls=context)
            await until(lambda: open_descriptors() == before)
            manager.cancel()

    run(main)


def test_a_failed_handshake_ends_only_its_connection(
    run: Run, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 16.6: a failed TLS handshake ends only its own connection."""
    caplog.set_level(logging.DEBUG, LOG)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            options = {"tls": certificates.server(), "on_error": "raise"}
            _, address = await start(manager, echo, **options)
            with connect(address) as client:
                client.send(b"GET / HTTP/1.1\r\n\r\n")  # no TLS
                await ended(client)
            connect(address).close()
            reset(connect(address))
            stuck = connect(address)  # says nothing at all
            await turns(10)
            stream = await giambio.connect_tcp(*address, tls=certificates.client())
            async with stream:
                await stream.send_all(b"hello")
                assert await stream.receive() == b"hello"
            stuck.close()
            await turns(10)
            manager.cancel()

    run(main)
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


def test_a_failed_upgrade_ends_only_its_connection(run: Run, certificates: Certificates) -> None:
    """Rule 16.6: a handler that ends with a failed TLS handshake ends only its connection."""
    context = certificates.server()

    async def handler(stream: giambio.AsyncSocket) -> None:
        buffered = giambio.BufferedStream(stream)
        assert await buffered.receive_line() == b"STARTTLS\n"
        async with giambio.TaskManager():  # fails in a group, if the loop is strict
            await echo(await giambio.start_tls(buffered, context, server_side=True))

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, address = await start(manager, handler, on_error="raise")
            with connect(address) as client:
                client.send(b"STARTTLS\nGET / HTTP/1.1\r\n\r\n")
                await ended(client)
            plain = await giambio.connect_tcp(*address)
            await plain.send_all(b"STARTTLS\n")
            tls = await giambio.start_tls(plain, certificates.client(), server_hostname="localhost")
            async with tls as stream:
                await stream.send_all(b"hello")
                assert await stream.receive() == b"hello"
            manager.cancel()

    for strict in (False, True):
        run(main, strict=strict)


def test_a_handler_that_fails_to_agree_on_tls_with_another_server_has_failed(
    run: Run, certificates: Certificates
) -> None:
    """A stranger's fault is not reported; that of the server which the handler asks is."""
    errors: list[Exception] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            _, secret = await start(manager, echo, tls=certificates.server())

            async def ask(stream: giambio.AsyncSocket) -> None:
                async with await giambio.connect_tcp(*secret, tls=True):  # not trusted
                    pass

            _, address = await start(manager, ask, on_error=lambda exc, _: errors.append(exc))
            with connect(address) as client:
                assert await ended(client) == b""
            manager.cancel()

    run(main)
    assert [type(error) for error in errors] == [ssl.SSLCertVerificationError]


def test_a_truncated_stream_ends_only_its_connection(run: Run, certificates: Certificates) -> None:
    """Rules 16.6, 16.9: a truncated TLS stream ends only its own connection."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            options = {"tls": certificates.server(), "on_error": "raise"}
            task, address = await start(manager, echo, **options)
            stream = await giambio.connect_tcp(*address, tls=certificates.client())
            await stream.send_all(b"hello")
            assert await stream.receive() == b"hello"
            plain = stream.transport_stream
            assert isinstance(plain, giambio.AsyncSocket)
            await plain.send_eof()  # no goodbye
            while await plain.receive():
                pass
            plain.close()
            await turns(5)
            assert not task.done()
            manager.cancel()

    run(main)


def test_a_server_with_tls_can_be_stopped_in_the_middle_of_a_handshake(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task, address = await start(manager, echo, tls=certificates.server())
            with connect(address) as client:
                await wait_all_tasks_blocked()
                task.cancel()
                assert await ended(client) == b""

    run(main)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [({}, 60), ({"handshake_timeout": 5}, 5), ({"handshake_timeout": 0}, 0)],
)
def test_who_says_nothing_is_hung_up_on(
    timed: Timed,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    seconds: float,
) -> None:
    """A silent client holds a task and a descriptor before any handler can help itself."""
    caplog.set_level(logging.DEBUG, LOG)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            tls = certificates.server()
            _, address = await start(manager, echo, tls=tls, on_error="raise", **options)
            connected_at = giambio.current_time()
            with connect(address) as client:
                assert await ended(client) == b""
            assert giambio.current_time() == connected_at + seconds
            manager.cancel()

    timed.run(main)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


def test_a_server_that_stops_does_not_wait_longer_for_a_handshake(
    timed: Timed, certificates: Certificates
) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            options = {"tls": certificates.server(), "grace": math.inf}
            task, address = await start(manager, echo, **options)
            with connect(address) as silent:
                await turns(5)
                stopped_at = giambio.current_time()
                task.cancel()
                assert await ended(silent) == b""
            await outcome(task.join)
            assert giambio.current_time() <= stopped_at + 60
        assert task.cancelled()

    timed.run(main)


def test_a_handshake_that_has_begun_is_given_the_grace_too(
    run: Run, certificates: Certificates
) -> None:
    """Rule 16.8: stop accepting, give handlers a grace period."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            options = {"tls": certificates.server(), "grace": math.inf}
            task, address = await start(manager, echo, **options)
            client = await giambio.connect_tcp(*address)
            await turns(5)
            task.cancel()
            await turns(5)
            tls = await giambio.start_tls(
                client, certificates.client(), server_hostname="localhost"
            )
            async with tls as stream:
                await stream.send_all(b"hello")
                assert await stream.receive() == b"hello"
            await outcome(task.join)
        assert task.cancelled()

    run(main)
