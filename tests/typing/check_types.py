"""What a type checker must infer, and what it must refuse.

Nothing in here runs: mypy and pyright read it against the installed package. A
line that ends in ``type: ignore`` is a mistake that has to be found; were it no
longer found, the comment would be unused, which both checkers report.
"""

from __future__ import annotations

import contextvars
import functools
import math
import socket
import ssl
from collections.abc import AsyncGenerator
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
    giambio.run(nothing, stop_signals=[15], grace=5)
    giambio.run(giambio.sleep, 0.1)
    assert_type(giambio.run(functools.partial(fetch, "host", 80)), bytes)
    assert_type(giambio.run(Service().serve, 80), str)

    giambio.run(fetch, "host", "80")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.run(fetch, "host")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.run(nothing())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.run(not_async, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def several_runs() -> None:
    with giambio.Runner(driver="selectors", stop_signals=[15]) as runner:
        assert_type(runner, giambio.Runner)
        assert_type(runner.run(fetch, "host", 80), bytes)
        assert_type(runner.get_loop(), giambio.EventLoop)
        runner.run(fetch, "host")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.Runner("selectors")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def run_variables() -> None:
    variable = giambio.RunVar("variable", default=0)
    assert_type(variable, giambio.RunVar[int])
    assert_type(variable.get(), int)
    assert_type(variable.get(None), int | None)
    variable.reset(variable.set(1))
    assert_type(giambio.RunVar[str]("variable").get(), str)
    variable.set("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


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
    assert_type(await manager.spawn(fetch, "host", port=80), giambio.Task[bytes])
    assert_type(await manager.spawn(giambio.sleep, seconds=1), giambio.Task[None])

    soon = manager.start_soon(fetch, "host", 80, context=contextvars.copy_context())
    assert_type(soon, giambio.Task[bytes])
    assert_type(manager.start_soon(fetch("host", 80)), giambio.Task[bytes])
    assert_type(manager.spawn_threadsafe(fetch, "host", 80), Future[bytes])
    assert_type(manager.spawn_threadsafe(fetch("host", 80)), Future[bytes])
    assert_type(manager.start_soon(fetch, "host", port=80), giambio.Task[bytes])
    assert_type(manager.spawn_threadsafe(fetch, "host", port=80), Future[bytes])
    assert_type(await manager.start(server, 80), Any)
    await manager.start(giambio.serve_tcp, handle, 0, host="127.0.0.1", name="server")


async def spawning_badly(manager: giambio.TaskManager) -> None:
    await manager.spawn(fetch, 80, "host")  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await manager.spawn(fetch, "host")  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue]
    await manager.spawn(fetch)  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportCallIssue]
    await manager.spawn(fetch("host", 80), 1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await manager.spawn(not_async, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await manager.spawn(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    manager.start_soon(not_async, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    manager.start_soon(fetch, 80, "host")  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await manager.spawn(fetch, "host", port="80")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await manager.spawn(fetch, "host", prt=80)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    manager.spawn_threadsafe(not_async, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    manager.spawn(fetch, "host", 80).result()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    giambio.TaskManager(limit="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with manager:  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
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
    task.add_done_callback(ended, context=contextvars.copy_context())
    task.add_done_callback(print)
    assert_type(task.remove_done_callback(ended), int)
    await using_a_wider_task(task)

    narrower: giambio.Task[str] = task  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    task.name = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    task.add_done_callback(not_async)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    del narrower


def ended(task: giambio.Task[bytes]) -> None:
    print(task.result())


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
    with giambio.cancel_on_stop() as scope:
        assert_type(scope.stop(grace=5, reason="enough"), bool)
    assert_type(giambio.stopping(), bool)
    assert_type(await giambio.wait_stopping(), None)
    with giambio.move_on_at(5.0, shield=True):
        pass
    scope.cancelled_caught = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    giambio.CancelScope(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    giambio.CancelScope(deadline=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.move_on_after("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with giambio.CancelScope():  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
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


async def handle(stream: giambio.AsyncSocket) -> None:
    await stream.send_all(b"hello")


async def handle_tls(stream: giambio.TLSStream) -> int:
    await stream.send_all(b"hello")
    return 5


def report(exc: Exception, stream: giambio.ByteStream) -> None:
    print(exc, stream)


async def networking(context: ssl.SSLContext) -> None:
    assert_type(await giambio.connect_tcp("example.com", 80), giambio.AsyncSocket)
    assert_type(await giambio.connect_tcp("example.com", 443, tls=True), giambio.TLSStream)
    assert_type(await giambio.connect_tcp("example.com", 443, tls=context), giambio.TLSStream)
    await giambio.connect_tcp("::1", 80, local_address=("::1", 0), happy_eyeballs_delay=1)
    assert_type(await giambio.connect_unix("/run/socket"), giambio.AsyncSocket)
    assert_type(giambio.socketpair(), tuple[giambio.AsyncSocket, giambio.AsyncSocket])

    listeners = await giambio.open_tcp_listeners(0, host="::", backlog=5, reuse_port=True)
    assert_type(listeners, list[giambio.SocketListener])
    connection, _ = await listeners[0].accept()
    assert_type(connection, giambio.AsyncSocket)
    assert_type(await giambio.open_unix_listener("x", mode=0o600), giambio.SocketListener)
    await giambio.serve_tcp(handle, 80)
    await giambio.serve_tcp(handle_tls, 443, tls=context, on_error=report, grace=5)
    await giambio.serve_tcp(handle, 80, on_error="raise", max_connections=100)
    await giambio.serve_listeners(handle, listeners)
    await giambio.serve_unix(handle, "/run/socket")
    async with giambio.TaskManager() as manager:
        await manager.start(giambio.serve_tcp, handle, 80)

    udp = await giambio.open_udp()
    assert_type(udp, giambio.AsyncDatagramSocket)
    assert_type(await udp.receive(), bytes)
    data, address = await udp.receive_from(100)
    assert_type(data, bytes)
    assert_type(await udp.send_to(data, address), None)
    assert_type(await (await giambio.connect_udp("::1", 80)).send(data), None)
    with giambio.wrap_datagram_socket(socket.socket()) as same:
        assert_type(same, giambio.AsyncDatagramSocket)

    with open("file", "rb") as file:
        assert_type(await giambio.send_file(connection, file, 10, count=20), int)
    assert_type(await giambio.lingering_close(connection), None)
    assert_type(await giambio.send_fds(connection, b"x", [0, socket.socket()]), None)
    assert_type(await giambio.receive_fds(connection), tuple[bytes, list[int]])
    found = await giambio.getaddrinfo("example.com", "http", type=socket.SOCK_STREAM)
    assert_type(found, list[tuple[int, int, int, str, Any]])
    assert_type(await giambio.getnameinfo(address), tuple[str, str])
    assert_type(giambio.set_resolver(None), giambio.Resolver | None)

    await giambio.connect_tcp("example.com:80")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await giambio.connect_tcp("example.com", "80")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await giambio.serve_tcp(report, 80)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await giambio.serve_tcp(handle, 80, on_error="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await giambio.serve_listeners(handle, [socket.socket()])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await udp.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.set_resolver(giambio.Resolver)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- channels and queues ------------------------------------------------------------------------


async def channels() -> None:
    send, receive = giambio.open_channel[int](math.inf)
    assert_type(send, giambio.SendChannel[int])
    assert_type(receive, giambio.ReceiveChannel[int])
    assert_type(await send.send(5), None)
    assert_type(await receive.receive(), int)
    assert_type(receive.receive_nowait(), int)
    async for item in receive:
        assert_type(item, int)
    assert_type(await anext(receive), int)
    assert_type(await anext(receive, None), int | None)
    async with send.clone() as another, receive.clone() as clone:
        assert_type(another, giambio.SendChannel[int])
        assert_type(clone, giambio.ReceiveChannel[int])
    with send, receive:
        assert_type(send.statistics(), giambio.ChannelStatistics)
    assert_type(await send.close(), None)
    anything, _ = giambio.open_channel(5)
    assert_type(anything, giambio.SendChannel[Any])
    narrower: giambio.SendChannel[bool] = send
    wider: giambio.ReceiveChannel[int | str] = receive
    del narrower, wider

    await send.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.open_channel()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    giambio.open_channel("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def broadcasts_and_watches() -> None:
    broadcast = giambio.Broadcast[int](3)
    with broadcast.subscribe(overflow="drop_oldest") as lossy:
        assert_type(lossy, giambio.Subscription[int])
        assert_type(lossy.dropped, int)
    broadcast.subscribe(overflow="block")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await broadcast.send(5), int)
    with broadcast.subscribe() as news:
        assert_type(news, giambio.Subscription[int])
        assert_type(await news.receive(), int)
    watch = giambio.Watch("low")
    assert_type(watch, giambio.Watch[str])
    assert_type(watch.value, str)
    async for value in watch.subscribe():
        assert_type(value, str)
    assert_type(await watch.subscribe().changed(), str)
    watch.set(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def queues() -> None:
    queue = giambio.Queue[int](3)
    assert_type(await queue.put(5), None)
    assert_type(await queue.get(), int)
    assert_type(await queue.join(), None)
    assert_type(queue.qsize(), int)
    with queue as same:
        assert_type(same, giambio.Queue[int])
    ranked: giambio.PriorityQueue[tuple[int, str]] = giambio.PriorityQueue()
    async for pair in ranked:
        assert_type(pair, tuple[int, str])
    assert_type(giambio.LifoQueue[int]().get_nowait(), int)
    await queue.put("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.Queue(math.inf)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class MyQueue(giambio.Queue[int]):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    pass


# -- pacing -------------------------------------------------------------------------------------


@giambio.retry(on=OSError, attempts=3)
async def stubborn(address: str, *, port: int = 80) -> bytes:
    return address.encode()


@giambio.as_safe_channel
async def lines(count: int) -> AsyncGenerator[str, None]:
    yield "line" * count


async def safely() -> None:
    async with lines(3) as items:
        async for item in items:
            assert_type(item, str)
        assert_type(await items.receive(), str)
    lines("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.as_safe_channel(fetch)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def paced() -> None:
    async for due in giambio.interval(5, missed="burst"):
        assert_type(due, float)
    limiter = giambio.RateLimiter(10, time_period=1)
    async with limiter as nothing_at_all:
        assert_type(nothing_at_all, None)
    assert_type(await limiter.acquire(2), None)
    assert_type(limiter.has_capacity(), bool)
    assert_type(await stubborn("host", port=443), bytes)
    assert_type(giambio.run(stubborn, "host"), bytes)
    giambio.retry(on=lambda exc: "busy" in str(exc))

    giambio.interval(5, missed="drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await stubborn(80)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- hooks --------------------------------------------------------------------------------------


class Counter(giambio.Hook):
    def spawned(self, task: giambio.Task, by: object) -> None:
        print(task.name)


# -- a forgotten await -----------------------------------------------------------------------


async def fetch_name(name: str) -> bytes:
    return name.encode()


async def forgetting(
    manager: giambio.TaskManager,
    task: giambio.Task[int],
    send: giambio.SendChannel[int],
    receive: giambio.ReceiveChannel[int],
    sock: giambio.AsyncSocket,
    stream: giambio.ByteStream,
    udp: giambio.AsyncDatagramSocket,
    file: giambio.AsyncFile[str],
) -> None:
    """Rule 3.20: what has to be awaited."""
    giambio.sleep(1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.sleep_until(1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.sleep_forever()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.checkpoint()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.checkpoint_if_cancelled()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.cancel_shielded_checkpoint()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.wait_readable(0)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.wait_writable(0)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.gather(nothing, nothing)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.race(nothing, nothing)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.map_concurrent(fetch_name, ["a"])  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.to_thread(not_async, 1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.to_thread(not_async, number=1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.to_process(not_async, 1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.run_process(["ls"])  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    manager.spawn(nothing)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    manager.spawn(nothing())  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    manager.spawn(fetch, "host", port=80)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    manager.start(server, 80)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    task.join()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Lock().acquire()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Semaphore(1).acquire()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.CapacityLimiter(1).acquire()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Condition().wait()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Event().wait()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Barrier(1).wait()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Queue[int]().put(1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Queue[int]().get()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Queue[int]().join()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    send.send(1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    receive.receive()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Broadcast[int](1).send(1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.Watch(1).subscribe().changed()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.RateLimiter(1).acquire()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    sock.connect("host")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    sock.receive()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    sock.receive_into(bytearray(1))  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    sock.accept()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    sock.send(b"")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    sock.send_all(b"")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    sock.send_eof()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    stream.receive()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    stream.send_all(b"")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    stream.send(b"")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    stream.send_eof()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.BufferedStream(stream).send_all(b"")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    giambio.TextStream(stream).send_all("")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    udp.send(b"")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    udp.receive()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    file.read()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


async def nothing_to_wait_for(
    manager: giambio.TaskManager, sock: giambio.AsyncSocket, stream: giambio.ByteStream
) -> None:
    """Rule 3.20: what has acted already."""
    manager.start_soon(nothing)
    manager.spawn_threadsafe(nothing)
    manager.cancel()
    sock.close()
    stream.close()
    giambio.open_channel(1)[0].close()
