"""The back end: the functions that AnyIO calls, most of which are giambio's."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from anyio.abc import AsyncBackend

import anyio
import giambio
from anyio import abc
from giambio import errors
from giambio.anyio import sockets, threads
from giambio.anyio.processes import end_with_the_loop, open_process
from giambio.anyio.synchronization import CapacityLimiter, Event, Lock, Semaphore
from giambio.anyio.tasks import CancelScope, TaskGroup, TaskInfo, running_tasks
from giambio.anyio.test_runner import TestRunner
from giambio.anyio.wrapper import anyio_error
from giambio.kernel.operation import current_kernel
from giambio.net.datagrams import wrap_datagram_socket
from giambio.net.resolver import resolve
from giambio.testing.all_tasks_blocked import wait_all_tasks_blocked

__all__ = ["GiambioBackend"]

T = TypeVar("T")


def wrapping(own: Callable[[socket.socket], Any], kind: Callable[[Any], Any]) -> Any:
    """Return a method that makes one of AnyIO's sockets of one of Python's.

    Parameters:
        own: makes one of giambio's of it.
        kind: makes one of AnyIO's of that.
    """

    async def wrap(cls: type[AsyncBackend], sock: socket.socket) -> Any:
        return kind(own(sock))

    return classmethod(wrap)


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

    current_token = staticmethod(threads.current_token)
    current_time = staticmethod(giambio.current_time)

    @classmethod
    async def sleep(cls, delay: float) -> None:
        await giambio.sleep(delay)

    # -- cancellation ----------------------------------------------------------------------

    @classmethod
    def cancelled_exception_class(cls) -> type[BaseException]:
        return errors.CancelledError

    @classmethod
    async def checkpoint(cls) -> None:
        await yield_if_cancelled()
        await giambio.checkpoint()

    @classmethod
    async def checkpoint_if_cancelled(cls) -> None:
        await yield_if_cancelled()
        await giambio.checkpoint_if_cancelled()

    @classmethod
    async def cancel_shielded_checkpoint(cls) -> None:
        await giambio.cancel_shielded_checkpoint()

    create_cancel_scope = CancelScope
    current_effective_deadline = staticmethod(giambio.current_effective_deadline)

    # -- tasks and primitives ------------------------------------------------------------

    create_task_group = TaskGroup
    create_event = Event
    create_lock = Lock
    create_semaphore = Semaphore
    create_capacity_limiter = CapacityLimiter

    # -- threads ---------------------------------------------------------------------------

    @classmethod
    async def run_sync_in_worker_thread(
        cls,
        func: Callable[..., T],
        args: tuple[Any, ...],
        abandon_on_cancel: bool = False,
        limiter: anyio.CapacityLimiter | None = None,
    ) -> T:
        return await giambio.to_thread(
            threads.in_worker(cls, func, args, abandon_on_cancel),
            limiter=threads.own_limiter(limiter),
            abandon_on_cancel=abandon_on_cancel,
        )

    check_cancelled = staticmethod(giambio.from_thread.check_cancelled)
    run_async_from_thread = staticmethod(threads.run_async)
    run_sync_from_thread = staticmethod(threads.run_sync)
    run_sync_soon = staticmethod(threads.call_soon)

    @classmethod
    def current_default_thread_limiter(cls) -> anyio.CapacityLimiter:
        services = current_kernel()._services
        limiter: anyio.CapacityLimiter = services.setdefault(
            "AnyIO's thread limiter", CapacityLimiter(own=giambio.current_default_thread_limiter())
        )
        return limiter

    # -- processes -------------------------------------------------------------------------

    open_process: Any = staticmethod(open_process)
    setup_process_pool_exit_at_shutdown = staticmethod(end_with_the_loop)

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

    create_tcp_listener: Any = sockets.TCPSocketListener
    create_unix_listener: Any = sockets.UNIXSocketListener

    @classmethod
    async def create_udp_socket(
        cls,
        family: int,
        local_address: tuple[str, int] | None,
        remote_address: tuple[str, int] | None,
        reuse_port: bool,
    ) -> abc.UDPSocket | abc.ConnectedUDPSocket:
        plain = socket.socket(family, socket.SOCK_DGRAM)
        sock = wrap_datagram_socket(plain)
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
        sock = wrap_datagram_socket(raw_socket)
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

    wrap_stream_socket = wrapping(sockets.wrap_stream, sockets.SocketStream)
    wrap_unix_stream_socket = wrapping(sockets.wrap_stream, sockets.UNIXSocketStream)
    wrap_udp_socket = wrapping(wrap_datagram_socket, sockets.UDPSocket)
    wrap_connected_udp_socket = wrapping(wrap_datagram_socket, sockets.ConnectedUDPSocket)
    wrap_unix_datagram_socket = wrapping(wrap_datagram_socket, sockets.UNIXDatagramSocket)
    wrap_connected_unix_datagram_socket = wrapping(
        wrap_datagram_socket, sockets.ConnectedUNIXDatagramSocket
    )

    getaddrinfo: Any = staticmethod(giambio.getaddrinfo)

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

    open_signal_receiver: Any = staticmethod(giambio.open_signal_receiver)

    # -- tests and debugging ---------------------------------------------------------------

    @classmethod
    def get_current_task(cls) -> anyio.TaskInfo:
        return TaskInfo(giambio.current_task())

    get_running_tasks = staticmethod(running_tasks)
    wait_all_tasks_blocked = staticmethod(wait_all_tasks_blocked)

    @classmethod
    def create_test_runner(cls, options: dict[str, Any]) -> abc.TestRunner:
        return TestRunner(**options)


async def yield_if_cancelled() -> None:
    """Yield control before a cancellation is raised: AnyIO's own streams count on that."""
    if giambio.current_task().has_pending_cancellation():
        await giambio.cancel_shielded_checkpoint()
