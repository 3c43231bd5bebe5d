"""The back end: what AnyIO calls, and whom that is passed on to."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from functools import partial
from math import inf
from signal import Signals
from typing import Any, TypeVar, cast

from anyio.abc import AsyncBackend

import anyio
import giambio
from anyio import abc
from giambio import errors
from giambio.anyio import sockets, threads
from giambio.anyio.error_mapping import anyio_error
from giambio.anyio.processes import end_with_the_loop, open_process
from giambio.anyio.scopes import CancelScope
from giambio.anyio.synchronization import CapacityLimiter, Event, Lock, Semaphore
from giambio.anyio.tasks import TaskGroup, TaskInfo, running_tasks
from giambio.anyio.test_runner import TestRunner
from giambio.kernel.operation import current_kernel
from giambio.net.resolver import resolve
from giambio.testing.all_tasks_blocked import wait_all_tasks_blocked

__all__ = ["GiambioBackend"]

T = TypeVar("T")


class GiambioBackend(AsyncBackend):
    """giambio, as AnyIO sees it. Options of `run` are those of `giambio.run`."""

    # -- the loop and its clock ----------------------------------------------------------

    @classmethod
    def run(
        cls,
        func: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> T:
        return giambio.run(partial(func, *args, **kwargs), **options)

    @classmethod
    def current_token(cls) -> object:
        return threads.current_token()

    @classmethod
    def current_time(cls) -> float:
        return giambio.current_time()

    @classmethod
    async def sleep(cls, delay: float) -> None:
        await giambio.sleep(delay)

    # -- cancellation ----------------------------------------------------------------------

    @classmethod
    def cancelled_exception_class(cls) -> type[BaseException]:
        return errors.CancelledError

    @classmethod
    async def checkpoint(cls) -> None:
        await give_way_if_cancelled()
        await giambio.checkpoint()

    @classmethod
    async def checkpoint_if_cancelled(cls) -> None:
        await give_way_if_cancelled()
        await giambio.checkpoint_if_cancelled()

    @classmethod
    async def cancel_shielded_checkpoint(cls) -> None:
        await giambio.cancel_shielded_checkpoint()

    @classmethod
    def create_cancel_scope(
        cls, *, deadline: float = inf, shield: bool = False
    ) -> anyio.CancelScope:
        return CancelScope(deadline=deadline, shield=shield)

    @classmethod
    def current_effective_deadline(cls) -> float:
        return giambio.current_effective_deadline()

    # -- tasks and what they do among themselves -----------------------------------------

    @classmethod
    def create_task_group(cls) -> abc.TaskGroup:
        return TaskGroup()

    @classmethod
    def create_event(cls) -> anyio.Event:
        return Event()

    @classmethod
    def create_lock(cls, *, fast_acquire: bool) -> anyio.Lock:
        return Lock(fast_acquire=fast_acquire)

    @classmethod
    def create_semaphore(
        cls, initial_value: int, *, max_value: int | None = None, fast_acquire: bool = False
    ) -> anyio.Semaphore:
        return Semaphore(initial_value, max_value=max_value, fast_acquire=fast_acquire)

    @classmethod
    def create_capacity_limiter(cls, total_tokens: float) -> anyio.CapacityLimiter:
        return CapacityLimiter(total_tokens)

    # -- threads ---------------------------------------------------------------------------

    @classmethod
    async def run_sync_in_worker_thread(
        cls,
        func: Callable[..., T],
        args: tuple[Any, ...],
        abandon_on_cancel: bool = False,
        limiter: anyio.CapacityLimiter | None = None,
    ) -> T:
        result: T = await giambio.to_thread(
            threads.in_worker(cls, func, args, abandon_on_cancel),
            limiter=threads.own(limiter),
            abandon_on_cancel=abandon_on_cancel,
        )
        return result

    @classmethod
    def check_cancelled(cls) -> None:
        giambio.from_thread.check_cancelled()

    @classmethod
    def run_async_from_thread(
        cls, func: Callable[..., Coroutine[Any, Any, T]], args: tuple[Any, ...], token: object
    ) -> T:
        token = token or threads.here.token
        try:
            if token is None:
                return giambio.from_thread.run(func, *args)
            return cast("T", threads.call_async(cast("threads.Token", token), func, args))
        except errors.RunFinishedError:
            raise anyio.RunFinishedError from None

    @classmethod
    def run_sync_from_thread(
        cls, func: Callable[..., T], args: tuple[Any, ...], token: object
    ) -> T:
        token = token or threads.here.token
        try:
            if token is None:
                return giambio.from_thread.run_sync(func, *args)
            return cast("T", threads.call_sync(cast("threads.Token", token), func, args))
        except errors.RunFinishedError:
            raise anyio.RunFinishedError from None

    @classmethod
    def run_sync_soon(
        cls, func: Callable[..., object], args: tuple[Any, ...], token: object
    ) -> None:
        threads.call_soon(cast("threads.Token", token), func, args)

    @classmethod
    def current_default_thread_limiter(cls) -> anyio.CapacityLimiter:
        services = current_kernel()._services
        limiter: anyio.CapacityLimiter = services.setdefault(
            "AnyIO's thread limiter",
            CapacityLimiter(own=giambio.current_default_thread_limiter()),
        )
        return limiter

    # -- processes -------------------------------------------------------------------------

    @classmethod
    async def open_process(cls, command: Any, **options: Any) -> abc.Process:
        return await open_process(command, options)

    @classmethod
    def setup_process_pool_exit_at_shutdown(cls, workers: set[abc.Process]) -> None:
        end_with_the_loop(workers)

    # -- sockets ---------------------------------------------------------------------------

    @classmethod
    async def connect_tcp(
        cls, host: str, port: int, local_address: tuple[str, int] | None = None
    ) -> abc.SocketStream:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        address = await resolve(family, (host, port))
        sock = await sockets.connect_stream(family, socket.SOCK_STREAM, address, local_address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sockets.SocketStream(sock)

    @classmethod
    async def connect_unix(
        cls, path: str | bytes, kind: int = socket.SOCK_STREAM
    ) -> abc.UNIXSocketStream:
        sock = await sockets.connect_stream(socket.AF_UNIX, kind, path)
        return sockets.UNIXSocketStream(sock)

    @classmethod
    def create_tcp_listener(cls, sock: socket.socket) -> abc.SocketListener:
        return sockets.TCPSocketListener(sock)

    @classmethod
    def create_unix_listener(cls, sock: socket.socket) -> abc.SocketListener:
        return sockets.UNIXSocketListener(sock)

    @classmethod
    async def create_udp_socket(
        cls,
        family: int,
        local_address: tuple[str, int] | None,
        remote_address: tuple[str, int] | None,
        reuse_port: bool,
    ) -> abc.UDPSocket | abc.ConnectedUDPSocket:
        plain = socket.socket(family, socket.SOCK_DGRAM)
        sock = sockets.wrap_datagrams(plain)
        try:
            if reuse_port:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if local_address:
                plain.bind(await resolve(family, local_address))
            if not remote_address:
                return sockets.UDPSocket(sock)
            plain.connect(await resolve(family, remote_address))
            return sockets.ConnectedUDPSocket(sock)
        except BaseException:
            sock.close_now()
            raise

    @classmethod
    async def create_unix_datagram_socket(
        cls, raw_socket: socket.socket, remote_path: str | bytes | None
    ) -> Any:
        sock = sockets.wrap_datagrams(raw_socket)
        if not remote_path:
            return sockets.UNIXDatagramSocket(sock)
        try:
            raw_socket.connect(remote_path)
        except BaseException:
            sock.close_now()
            raise
        return sockets.ConnectedUNIXDatagramSocket(sock)

    @classmethod
    async def wrap_listener_socket(cls, sock: socket.socket) -> abc.SocketListener:
        if sock.family == getattr(socket, "AF_UNIX", -1):
            return sockets.UNIXSocketListener(sock)
        return sockets.TCPSocketListener(sock)

    @classmethod
    async def wrap_stream_socket(cls, sock: socket.socket) -> abc.SocketStream:
        return sockets.SocketStream(sockets.wrap_stream(sock))

    @classmethod
    async def wrap_unix_stream_socket(cls, sock: socket.socket) -> abc.UNIXSocketStream:
        return sockets.UNIXSocketStream(sockets.wrap_stream(sock))

    @classmethod
    async def wrap_udp_socket(cls, sock: socket.socket) -> abc.UDPSocket:
        return sockets.UDPSocket(sockets.wrap_datagrams(sock))

    @classmethod
    async def wrap_connected_udp_socket(cls, sock: socket.socket) -> abc.ConnectedUDPSocket:
        return sockets.ConnectedUDPSocket(sockets.wrap_datagrams(sock))

    @classmethod
    async def wrap_unix_datagram_socket(cls, sock: socket.socket) -> abc.UNIXDatagramSocket:
        return sockets.UNIXDatagramSocket(sockets.wrap_datagrams(sock))

    @classmethod
    async def wrap_connected_unix_datagram_socket(
        cls, sock: socket.socket
    ) -> abc.ConnectedUNIXDatagramSocket:
        return sockets.ConnectedUNIXDatagramSocket(sockets.wrap_datagrams(sock))

    @classmethod
    async def getaddrinfo(
        cls,
        host: bytes | str | None,
        port: str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Sequence[Any]:
        return await giambio.getaddrinfo(
            host, port, family=family, type=type, proto=proto, flags=flags
        )

    @classmethod
    async def getnameinfo(cls, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        return await giambio.getnameinfo(sockaddr, flags)

    # -- descriptors and signals -------------------------------------------------------------

    @classmethod
    async def wait_readable(cls, obj: Any) -> None:
        try:
            await giambio.wait_readable(obj)
        except errors.GiambioError as exc:
            raise anyio_error(exc, "reading from") from None

    @classmethod
    async def wait_writable(cls, obj: Any) -> None:
        try:
            await giambio.wait_writable(obj)
        except errors.GiambioError as exc:
            raise anyio_error(exc, "writing to") from None

    @classmethod
    def notify_closing(cls, obj: Any) -> None:
        giambio.notify_closing(obj)

    @classmethod
    def open_signal_receiver(
        cls, *signals: Signals
    ) -> AbstractContextManager[AsyncIterator[Signals]]:
        receiver: Any = giambio.open_signal_receiver(*signals)
        return cast("AbstractContextManager[AsyncIterator[Signals]]", receiver)

    # -- tests and debugging ---------------------------------------------------------------

    @classmethod
    def get_current_task(cls) -> anyio.TaskInfo:
        return TaskInfo(giambio.current_task())

    @classmethod
    def get_running_tasks(cls) -> Sequence[anyio.TaskInfo]:
        return running_tasks()

    @classmethod
    async def wait_all_tasks_blocked(cls) -> None:
        await wait_all_tasks_blocked()

    @classmethod
    def create_test_runner(cls, options: dict[str, Any]) -> abc.TestRunner:
        return TestRunner(**options)


async def give_way_if_cancelled() -> None:
    """Let others run before a cancellation is raised: AnyIO's own streams count on that."""
    if giambio.current_task().has_pending_cancellation():
        await giambio.cancel_shielded_checkpoint()
