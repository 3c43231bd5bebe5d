"""What a type checker must infer, and what it must refuse.

Nothing in here runs: mypy and pyright read it against the installed package. A
line that ends in ``type: ignore`` is a mistake that has to be found; were it no
longer found, the comment would be unused, which both checkers report.
"""

from __future__ import annotations

import contextvars
import functools
import socket
from concurrent.futures import Future
from contextlib import aclosing
from typing import Any, assert_type

import giambio

# -- what programs are made of ----------------------------------------------------


async def fetch(address: str, port: int) -> bytes:
    return f"{address}:{port}".encode()


async def optional(address: str, port: int = 80) -> bytes:
    return f"{address}:{port}".encode()


async def nothing() -> None:
    await giambio.checkpoint()


def not_async(number: int) -> int:
    return number


class Service:
    async def serve(self, port: int) -> str:
        return str(port)


# -- run, EventLoop -----------------------------------------------------------------


def running() -> None:
    assert_type(giambio.run(fetch, "host", 80), bytes)
    assert_type(giambio.run(fetch, "host", 80, driver="selectors", strict=True), bytes)
    giambio.run(nothing, stop_signals=[15])
    giambio.run(giambio.sleep, 0.1)
    assert_type(giambio.run(functools.partial(fetch, "host", 80)), bytes)
    assert_type(giambio.run(Service().serve, 80), str)

    giambio.run(fetch, "host", "80")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.run(fetch, "host")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.run(nothing())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.run(not_async, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def loops() -> None:
    loop = giambio.EventLoop(driver="selectors", threads=False)
    assert_type(loop.start(fetch, "host", 80), bytes)
    task = loop.begin(fetch, "host", 80)
    assert_type(task, giambio.Task[bytes])
    assert_type(task.result(), bytes)
    assert_type(loop.wrap_socket(socket.socket()), giambio.AsyncSocket)
    assert_type(loop.call_soon(not_async, 1), giambio.Handle)
    assert_type(loop.call_later(0.5, not_async, 1, context=contextvars.Context()), giambio.Handle)
    assert_type(loop.call_at(5, not_async, 1), giambio.Handle)
    assert_type(loop.call_soon_threadsafe(not_async, 1), giambio.Handle)
    assert_type(loop.current_time(), float)
    loop.turn()
    loop.add_hook(giambio.Hook())

    loop.start(fetch, 80, "host")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    loop.call_soon(not_async, "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    loop.call_at("5", print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    loop.add_hook(print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.EventLoop("selectors")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# -- tasks ----------------------------------------------------------------------------


async def spawning(manager: giambio.TaskManager) -> None:
    task = await manager.spawn(fetch, "host", 80)
    assert_type(task, giambio.Task[bytes])
    assert_type(await manager.spawn(fetch("host", 80)), giambio.Task[bytes])
    assert_type(await manager.spawn(optional, "host", 80), giambio.Task[bytes])
    assert_type(await manager.spawn(nothing, name="n"), giambio.Task[None])
    assert_type(await manager.spawn(giambio.sleep, 1), giambio.Task[None])
    assert_type(await manager.spawn(giambio.sleep(1)), giambio.Task[None])
    assert_type(await manager.spawn(Service().serve, 80), giambio.Task[str])
    assert_type(await manager.spawn(functools.partial(fetch, "host", 80)), giambio.Task[bytes])
    assert_type(await manager.spawn(lambda: fetch("host", 80)), giambio.Task[bytes])
    assert_type(await manager.spawn(task), giambio.Task[bytes])

    soon = manager.start_soon(fetch, "host", 80, context=contextvars.copy_context())
    assert_type(soon, giambio.Task[bytes])
    assert_type(manager.start_soon(fetch("host", 80)), giambio.Task[bytes])
    assert_type(manager.spawn_threadsafe(fetch, "host", 80), Future[bytes])
    assert_type(manager.spawn_threadsafe(fetch("host", 80)), Future[bytes])
    assert_type(await manager.start(server, 80), Any)


async def spawning_badly(manager: giambio.TaskManager) -> None:
    await manager.spawn(fetch, 80, "host")  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportArgumentType]
    await manager.spawn(fetch, "host")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await manager.spawn(fetch)  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await manager.spawn(fetch("host", 80), 1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await manager.spawn(not_async, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await manager.spawn(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    manager.start_soon(not_async, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    manager.start_soon(fetch, 80, "host")  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportArgumentType]
    manager.spawn_threadsafe(not_async, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    manager.spawn(fetch, "host", 80).result()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    giambio.TaskManager(limit="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with manager:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


async def managing() -> bytes:
    async with giambio.TaskManager(limit=10, strict=True) as manager:
        assert_type(manager, giambio.TaskManager)
        assert_type(manager.cancel_scope, giambio.CancelScope)
        assert_type(manager.cancel("enough"), bool)
        assert_type(manager.loop, giambio.EventLoop | None)
        task = await manager.spawn(fetch, "host", 80)
    return task.result()


async def using_a_task(task: giambio.Task[bytes]) -> None:
    assert_type(await task, bytes)
    assert_type(await task.join(), bytes)
    assert_type(task.result(), bytes)
    assert_type(task.exception(), BaseException | None)
    assert_type(task.name, str)
    assert_type(task.done(), bool)
    assert_type(task.cancelled(), bool)
    assert_type(task.cancel("enough"), bool)
    await using_a_wider_task(task)

    narrower: giambio.Task[str] = task  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    task.name = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    del narrower


async def using_a_wider_task(task: giambio.Task[bytes | None]) -> None:
    assert_type(await task, bytes | None)


async def server(port: int, *, task_status: giambio.TaskStatus[str]) -> None:
    task_status.started(f"port {port}")
    task_status.started(port)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    task_status.started()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def quiet_server(task_status: giambio.TaskStatus[None]) -> None:
    task_status.started()


async def any_server(task_status: giambio.TaskStatus) -> None:
    task_status.started("anything")
    task_status.started()


class MyTask(giambio.Task[int]):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    pass


class MyManager(giambio.TaskManager):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    pass


class MyLoop(giambio.EventLoop):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    pass


# -- scopes -----------------------------------------------------------------------------


async def scopes() -> float:
    with giambio.CancelScope(deadline=5, shield=True) as scope:
        assert_type(scope, giambio.CancelScope)
        assert_type(scope.deadline, float)
        assert_type(scope.shield, bool)
        scope.deadline = 5.5
        scope.shield = False
        assert_type(scope.reason, object)
        assert_type(scope.cancel(reason="enough"), bool)
        assert_type(scope.cancelled_caught, bool)
    with giambio.move_on_after(5) as scope:
        assert_type(scope, giambio.CancelScope)
    with giambio.move_on_at(5.0, shield=True):
        pass
    scope.cancelled_caught = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    giambio.CancelScope(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    giambio.CancelScope(deadline=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.move_on_after("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with giambio.CancelScope():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    return giambio.current_effective_deadline()


async def in_time() -> bytes:
    """Nothing has to follow this block: it ends with a result or raises."""
    with giambio.fail_after(5) as scope:
        assert_type(scope, giambio.CancelScope)
        return await fetch("host", 80)


async def perhaps() -> bytes:  # type: ignore[return]  # pyright: ignore[reportReturnType]
    """Something has to follow this one: it may be cut short."""
    with giambio.move_on_after(5):
        return await fetch("host", 80)


# -- checkpoints ----------------------------------------------------------------------------


async def checkpoints() -> None:
    assert_type(await giambio.checkpoint(), None)
    assert_type(await giambio.checkpoint_if_cancelled(), None)
    assert_type(await giambio.cancel_shielded_checkpoint(), None)
    assert_type(await giambio.sleep(1), None)
    assert_type(await giambio.sleep_until(giambio.current_time() + 1), None)
    assert_type(await giambio.sleep_forever(), None)
    assert_type(giambio.current_time(), float)
    assert_type(giambio.current_loop(), giambio.EventLoop)
    assert_type(giambio.current_task(), giambio.Task[Any])
    await giambio.wait_readable(0)
    await giambio.wait_writable(socket.socket())
    giambio.notify_closing(socket.socket())

    await giambio.sleep("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await giambio.sleep(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await giambio.sleep  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await giambio.wait_readable("0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- sockets -----------------------------------------------------------------------------------


async def sockets() -> None:
    sock = giambio.wrap_socket(socket.socket())
    assert_type(sock, giambio.AsyncSocket)
    assert_type(await sock.connect("example.com"), None)
    await sock.connect(("example.com", 80))
    await sock.connect(("::1", 80, 0, 0))
    assert_type(await sock.receive(), bytes)
    assert_type(await sock.receive(1024), bytes)
    assert_type(await sock.receive_into(bytearray(10)), int)
    assert_type(await sock.send(b"data"), int)
    assert_type(await sock.send_all(memoryview(b"data")), None)
    await sock.send_all(bytearray(b"data"))
    assert_type(await sock.send_eof(), None)
    assert_type(sock.fileno(), int)
    sock.bind("127.0.0.1:0")
    sock.listen()
    connection, address = await sock.accept()
    assert_type(connection, giambio.AsyncSocket)
    assert_type(address, Any)
    assert_type(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), int)
    assert_type(sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8), bytes)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection as same:
        assert_type(same, giambio.AsyncSocket)
    async with sock as same:
        assert_type(same, giambio.AsyncSocket)
    async with aclosing(sock):
        pass
    sock.close()
    await sock.close()

    data: bytes = sock.receive(10)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    del data
    await sock.receive("10")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await sock.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await sock.send_all("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await sock.receive_into("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await sock.connect(80)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.wrap_socket(sock)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def received() -> bytes:
    """A socket's block swallows nothing."""
    with giambio.wrap_socket(socket.socket()) as sock:
        return await sock.receive(10)


async def also_received() -> bytes:
    async with giambio.wrap_socket(socket.socket()) as sock:
        return await sock.receive(10)


# -- hooks --------------------------------------------------------------------------------------


class Counter(giambio.Hook):
    def spawned(self, task: giambio.Task) -> None:
        print(task.name)
