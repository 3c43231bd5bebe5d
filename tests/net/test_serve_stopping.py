"""`serve_tcp` and its like when they are stopped softly, and with a limit of connections."""

from __future__ import annotations

import functools
import math
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import giambio
from giambio.testing import VirtualClock, wait_all_tasks_blocked
from support.net import open_descriptors, turns

Run = Callable[..., Any]
SECONDS = 20


async def keep_alive(stream: giambio.ByteStream) -> None:
    """Answer one request after the other, each after a second; an idle client is no reason."""
    request = b"none yet"
    while request:
        request = b""
        with giambio.cancel_on_stop():
            request = await stream.receive()
        if request:
            await stream.send_all(b"working ")
            await giambio.sleep(1)
            await stream.send_all(b"done")


class Serving:
    """A server on the loopback, or on a Unix socket, with clients that block."""

    def __init__(self, kind: str, path: str) -> None:
        self.kind = kind
        self.path = path
        self.address: Any = None

    async def serve(self, handler: Any, *, task_status: Any, **options: Any) -> None:
        options |= {"task_status": task_status}
        if self.kind == "tcp":
            await giambio.serve_tcp(handler, 0, host="127.0.0.1", **options)
        elif self.kind == "unix":
            await giambio.serve_unix(handler, self.path, **options)
        else:
            listeners = await giambio.open_tcp_listeners(0, host="127.0.0.1")
            await giambio.serve_listeners(handler, listeners, **options)

    async def start(
        self, manager: giambio.TaskManager, handler: Any, **options: Any
    ) -> giambio.Task[None]:
        tasks: list[giambio.Task[None]] = []

        async def serve(*, task_status: Any) -> None:
            tasks.append(giambio.current_task())
            await self.serve(handler, task_status=task_status, **options)

        (listener,) = await manager.start(serve)
        self.address = listener.address
        return tasks[0]

    async def connect(self) -> giambio.AsyncSocket:
        if self.kind == "unix":
            return await giambio.connect_unix(self.address)
        stream = await giambio.connect_tcp(*self.address)
        assert isinstance(stream, giambio.AsyncSocket)
        return stream


@pytest.fixture(params=["tcp", "unix", "listeners"])
def serving(request: pytest.FixtureRequest, tmp_path: Any) -> Serving:
    return Serving(request.param, str(tmp_path / "socket"))


async def rest(stream: giambio.AsyncSocket) -> bytes:
    """What comes until the end."""
    data = b""
    while piece := await stream.receive():
        data += piece
    return data


# -- a soft stop ------------------------------------------------------------------------------


@pytest.mark.parametrize("grace", [0, 0.5, math.inf])
def test_it_closes_its_listeners_waits_for_its_handlers_and_returns(
    run: Run, serving: Serving, grace: float
) -> None:
    """Rule 16.16: at once; `grace=` is for a cancellation only, and an idle client holds nobody."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await serving.start(manager, keep_alive, grace=grace)
            async with await serving.connect() as busy, await serving.connect() as idle:
                await busy.send_all(b"a request")
                assert await busy.receive() == b"working "
                stopped_at = giambio.current_time()
                manager.stop(grace=5)
                assert await idle.receive() == b""
                with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
                    await serving.connect()
                assert await rest(busy) == b"done"
            await task
            assert giambio.current_time() == stopped_at + 1
            assert task.result() is None
        assert not manager.cancel_scope.cancel_called

    run(main, clock=VirtualClock())


@pytest.mark.parametrize("grace", [0, 100])
def test_the_end_of_the_grace_of_the_stop_cancels_the_handlers(
    run: Run, serving: Serving, grace: float
) -> None:
    """Rule 16.16: its own `grace=` is not added to that."""
    reasons: list[object] = []
    begun = giambio.Event()

    async def handler(stream: giambio.AsyncSocket) -> None:
        begun.set()
        try:
            await stream.receive()
        except giambio.CancelledError as exc:
            reasons.append((giambio.current_time(), exc.reason))
            raise

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await serving.start(manager, handler, grace=grace)
            async with await serving.connect():
                await begun.wait()
                manager.stop(grace=5, reason="enough")
                await giambio.sleep_forever()
        assert manager.cancel_scope.cancel_called

    run(main, clock=VirtualClock())
    assert reasons == [(5, "enough")]


def test_a_cancellation_is_a_soft_stop_for_the_handlers(run: Run, serving: Serving) -> None:
    """Rule 16.8: in the grace an idle client holds nobody."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await serving.start(manager, keep_alive, grace=100)
            async with await serving.connect() as busy, await serving.connect() as idle:
                await busy.send_all(b"a request")
                assert await busy.receive() == b"working "
                task.cancel()
                assert await idle.receive() == b""
                assert await rest(busy) == b"done"
        assert task.cancelled()
        assert giambio.current_time() == 1

    run(main, clock=VirtualClock())


def test_started_in_a_scope_that_is_stopping_it_serves_nobody(run: Run, serving: Serving) -> None:
    """Rule 23.1: what begins later is stopping, too."""

    async def main() -> None:
        before = open_descriptors()
        async with giambio.TaskManager() as manager:
            manager.stop(grace=5)
            manager.start_soon(functools.partial(serving.serve, keep_alive, task_status=None))
        assert open_descriptors() == before

    run(main)


@pytest.mark.parametrize("grace", [0, 5])
def test_stopped_at_any_moment_nothing_is_left_open(
    run: Run, serving: Serving, grace: float
) -> None:
    """Rule 5.5: at any moment; what was accepted is served."""

    async def main() -> None:
        await giambio.sleep(0)
        before = open_descriptors()
        for moment in range(15):
            async with giambio.TaskManager() as manager:
                await serving.start(manager, keep_alive, grace=grace)
                async with await serving.connect() as client:
                    await turns(moment)
                    manager.stop(grace=5)
                    await turns(moment)
                    with suppress(ConnectionError):  # it had not been accepted
                        assert await client.receive() == b""
            assert open_descriptors() == before

    run(main)


@pytest.mark.skipif(not hasattr(signal, "SIGTERM"), reason="there are no such signals here")
def test_a_stop_signal_ends_a_server_without_an_error(run: Run) -> None:
    """Rules 12.8, 12.9, 16.16: a real signal."""
    served: list[bytes] = []

    async def main() -> str:
        async with giambio.TaskManager() as manager:
            (listener,) = await manager.start(
                lambda **status: giambio.serve_tcp(keep_alive, 0, host="127.0.0.1", **status)
            )
            async with await giambio.connect_tcp(*listener.address) as client:
                await client.send_all(b"a request")
                await client.receive()
                signal.raise_signal(signal.SIGTERM)
                served.append(await rest(client))
        return "the end"

    assert run(main, stop_signals=[signal.SIGTERM], clock=VirtualClock()) == "the end"
    assert served == [b"done"]


# -- a limit of connections -------------------------------------------------------------------


class Counting:
    """A handler that counts how many of it run, until it is told to go on."""

    def __init__(self) -> None:
        self.running = self.most = self.served = 0
        self.go_on = giambio.Event()

    async def __call__(self, stream: giambio.AsyncSocket) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await stream.send_all(b"hello")
        await self.go_on.wait()
        await stream.send_all(b" and goodbye")
        self.running -= 1
        self.served += 1


async def greeted(serving: Serving) -> bytes:
    async with await serving.connect() as client:
        return await rest(client)


@pytest.mark.parametrize("limit", [1, 3])
def test_more_connections_than_the_limit_wait_and_nobody_is_dropped(
    run: Run, serving: Serving, limit: int
) -> None:
    """Rule 16.17: it stops accepting, and drops nobody."""
    handler = Counting()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await serving.start(manager, handler, max_connections=limit)
            async with giambio.TaskManager() as clients:
                tasks = [clients.start_soon(greeted, serving) for _ in range(10)]
                await wait_all_tasks_blocked()
                assert handler.running == limit
                handler.go_on.set()
            assert [client.result() for client in tasks] == [b"hello and goodbye"] * 10
            task.cancel()
        assert handler.most == limit

    run(main)
    assert handler.served == 10


def test_the_limit_holds_for_all_listeners_together(run: Run) -> None:
    """Rule 16.17: of IPv4 and IPv6; neither keeps the place for itself."""
    handler = Counting()

    async def greeted_at(address: Any) -> bytes:
        async with await giambio.connect_tcp(*address[:2]) as client:
            data = b""
            while piece := await client.receive():
                data += piece
            return data

    async def main() -> None:
        listeners = [
            *await giambio.open_tcp_listeners(0, host="127.0.0.1"),
            *await giambio.open_tcp_listeners(0, host="127.0.0.1"),
        ]
        async with giambio.TaskManager() as manager:
            await manager.start(
                lambda **status: giambio.serve_listeners(
                    handler, listeners, max_connections=2, **status
                )
            )
            async with giambio.TaskManager() as clients:
                tasks = [
                    clients.start_soon(greeted_at, listeners[number % 2].address)
                    for number in range(10)
                ]
                await wait_all_tasks_blocked()
                assert handler.running == 2
                handler.go_on.set()
            assert [client.result() for client in tasks] == [b"hello and goodbye"] * 10
            assert handler.most == 2
            manager.stop(grace=5)

    run(main)


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_a_server_that_is_full_can_be_stopped(run: Run, serving: Serving, how: str) -> None:
    """Rules 16.8, 16.16: also while it waits for a place."""
    handler = Counting()

    async def main() -> None:
        before = open_descriptors()
        async with giambio.TaskManager() as manager:
            task = await serving.start(manager, handler, max_connections=1)
            async with await serving.connect() as first, await serving.connect() as second:
                await wait_all_tasks_blocked()
                if how == "stop":
                    manager.stop(grace=5)
                else:
                    task.cancel()
                await wait_all_tasks_blocked()
                handler.go_on.set()
                expected = b"hello and goodbye" if how == "stop" else b"hello"
                assert await rest(first) == expected
                with suppress(giambio.BrokenResourceError):  # it had not been accepted
                    assert await second.receive() == b""
        assert open_descriptors() == before

    run(main)


def test_a_place_is_free_again_after_a_handler_that_failed(run: Run, serving: Serving) -> None:
    """Rule 16.17: however the connection ends."""

    async def handler(stream: giambio.AsyncSocket) -> None:
        await stream.send_all(b"hello")
        raise giambio.BrokenResourceError("for the test")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await serving.start(manager, handler, max_connections=1)
            for _ in range(3):
                assert await greeted(serving) == b"hello"
            manager.cancel()

    run(main)


@pytest.mark.parametrize(("limit", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_the_limit_is_a_number_of_connections(
    run: Run, serving: Serving, limit: Any, error: type[Exception]
) -> None:
    """Rule 19.6: so is a number that is none."""

    async def main() -> None:
        before = open_descriptors()
        async with giambio.TaskManager() as manager:
            with pytest.raises(error, match=r"serve_\w+\(\) needs .*max_connections"):
                await serving.start(manager, keep_alive, max_connections=limit)
        assert open_descriptors() == before

    run(main)


def test_a_client_that_is_served_may_come_back(run: Run) -> None:
    """A blocking client in the backlog is connected, and only waits."""

    async def handler(stream: giambio.AsyncSocket) -> None:
        await stream.receive()
        await stream.send_all(b"hello")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            (listener,) = await manager.start(
                lambda **status: giambio.serve_tcp(
                    handler, 0, host="127.0.0.1", max_connections=1, **status
                )
            )
            with socket.create_connection(listener.address, SECONDS):
                async with await giambio.connect_tcp(*listener.address) as waiting:
                    await waiting.send_all(b"a request")
                    with giambio.move_on_after(0.05) as scope:
                        await waiting.receive()
                    assert scope.cancelled_caught
            manager.cancel()

    run(main)
