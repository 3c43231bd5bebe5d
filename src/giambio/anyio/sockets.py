"""Sockets: giambio's, behind the interfaces that AnyIO gives them.

Each is a thin wrapper around an `AsyncSocket` or an `AsyncDatagramSocket`, which knows how to
wait. The end of a stream and errors differ.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Collection
from io import IOBase
from typing import Any, NoReturn, TypeVar

from anyio._core._sockets import convert_ipv6_sockaddr

import anyio
from anyio import abc
from giambio.anyio.wrapper import anyio_error, attribute
from giambio.kernel.checkpoints import checkpoint
from giambio.kernel.operation import current_kernel
from giambio.net.datagrams import AsyncDatagramSocket
from giambio.net.fd_passing import receive_fds, send_fds
from giambio.net.hosts import connect_to
from giambio.net.resolver import resolve
from giambio.net.socket import AsyncSocket
from giambio.tasks.cancel import CancelScope

__all__ = [
    "ConnectedUDPSocket",
    "ConnectedUNIXDatagramSocket",
    "SocketStream",
    "TCPSocketListener",
    "UDPSocket",
    "UNIXDatagramSocket",
    "UNIXSocketListener",
    "UNIXSocketStream",
    "connect_stream",
    "wrap_stream",
]

T = TypeVar("T")
READING = "reading from"
WRITING = "writing to"


def wrap_stream(sock: socket.socket) -> AsyncSocket:
    """Make an `AsyncSocket` of any connected or listening one, of messages (SEQPACKET) too."""
    sock.setblocking(False)
    return AsyncSocket(current_kernel(), sock)


async def connect_stream(
    family: int, kind: int, address: Any, local_address: Any = None
) -> AsyncSocket:
    """Make a socket and connect it; nothing is left open if that fails."""
    plain = socket.socket(family, kind)
    sock = wrap_stream(plain)
    try:
        if local_address is not None:
            plain.bind(local_address)
        await connect_to(sock, address)
    except BaseException:
        sock.close_now()
        raise
    return sock


class Wrapped:
    """The common part of all sockets: one task sends at a time, as AnyIO wants it."""

    def __init__(self, sock: AsyncSocket | AsyncDatagramSocket) -> None:
        self._sock: Any = sock
        self._sending = anyio.ResourceGuard(WRITING)

    _raw_socket = attribute("_sock._sock")

    async def aclose(self) -> None:
        """See `anyio.abc.AsyncResource.aclose`."""
        self._sock.close_now()
        await checkpoint()

    async def _do(self, operation: Awaitable[T], action: str) -> T:
        try:
            return await operation
        except Exception as exc:
            self._convert(exc, action)

    def _convert(self, exc: Exception, action: str) -> NoReturn:
        raise anyio_error(exc, action)


class SocketStream(Wrapped, abc.SocketStream):
    """A byte stream over a socket."""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """See `anyio.abc.ByteReceiveStream.receive`."""
        if max_bytes < 1:
            raise ValueError("max_bytes must be a positive integer")
        try:
            data: bytes = await self._sock.receive(max_bytes)
        except Exception as exc:
            self._convert(exc, READING)
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """See `anyio.abc.ByteSendStream.send`."""
        # Not with `send_all`, which refuses to go on after it was cancelled half-way.
        with self._sending, memoryview(item) as view:
            try:
                sent = await self._sock.send(view)
                while sent < len(view):
                    sent += await self._sock.send(view[sent:])
            except Exception as exc:
                self._convert(exc, WRITING)

    async def send_eof(self) -> None:
        """See `anyio.abc.ByteStream.send_eof`."""
        # AnyIO's own are no checkpoints, and libraries call `aclose` behind without `finally`.
        with CancelScope(shield=True):
            await self._do(self._sock.send_eof(), WRITING)


class UNIXSocketStream(SocketStream, abc.UNIXSocketStream):
    """A byte stream over a Unix socket, which can carry descriptors."""

    async def receive_fds(self, msglen: int, maxfds: int) -> tuple[bytes, list[int]]:
        """See `anyio.abc.UNIXSocketStream.receive_fds`."""
        if not isinstance(msglen, int) or msglen < 0:
            raise ValueError("msglen must be a non-negative integer")
        if not isinstance(maxfds, int) or maxfds < 1:
            raise ValueError("maxfds must be a positive integer")
        await checkpoint()
        data, fds = await self._do(receive_fds(self._sock, max(msglen, 1), maxfds), READING)
        if not data and not fds:
            raise anyio.EndOfStream
        return data, fds

    async def send_fds(self, message: bytes, fds: Collection[int | IOBase]) -> None:
        """See `anyio.abc.UNIXSocketStream.send_fds`."""
        if not message:
            raise ValueError("message must not be empty")
        if not fds:
            raise ValueError("fds must not be empty")
        await checkpoint()
        await self._do(send_fds(self._sock, message, fds), WRITING)


class Listener(Wrapped):
    """A listening socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = wrap_stream(sock)

    async def _accept(self) -> AsyncSocket:
        connection: AsyncSocket
        connection, _ = await self._do(self._sock.accept(), "accepting connections from")
        return connection


class TCPSocketListener(Listener, abc.SocketListener):
    """A listening TCP socket."""

    async def accept(self) -> SocketStream:
        """See `anyio.abc.SocketListener.accept`."""
        connection = await self._accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return SocketStream(connection)


class UNIXSocketListener(Listener, abc.SocketListener):
    """A listening Unix socket."""

    async def accept(self) -> UNIXSocketStream:
        """See `anyio.abc.SocketListener.accept`."""
        return UNIXSocketStream(await self._accept())


class Connected(Wrapped):
    """A datagram socket with one peer."""

    async def receive(self) -> bytes:
        """See `anyio.abc.ObjectReceiveStream.receive`."""
        data: bytes = await self._do(self._sock.receive(), READING)
        return data

    async def send(self, item: bytes) -> None:
        """See `anyio.abc.ObjectSendStream.send`."""
        with self._sending:
            await self._do(self._sock.send(item), WRITING)


class UDPSocket(Wrapped, abc.UDPSocket):
    """A UDP socket for any number of peers."""

    async def receive(self) -> tuple[bytes, tuple[str, int]]:
        """See `anyio.abc.ObjectReceiveStream.receive`."""
        data, address = await self._do(self._sock.receive_from(), READING)
        return data, convert_ipv6_sockaddr(address)

    async def send(self, item: tuple[bytes, tuple[str, int]]) -> None:
        """See `anyio.abc.ObjectSendStream.send`."""
        with self._sending:
            await self._do(self._send_to(*item), WRITING)

    async def _send_to(self, data: bytes, address: tuple[str, int]) -> None:
        await self._sock.send_to(data, await resolve(self._sock.family, address))


class ConnectedUDPSocket(Connected, abc.ConnectedUDPSocket):
    """A UDP socket with one peer."""


class UNIXDatagramSocket(Wrapped, abc.UNIXDatagramSocket):
    """A Unix datagram socket for any number of peers."""

    async def receive(self) -> tuple[bytes, str]:
        """See `anyio.abc.ObjectReceiveStream.receive`."""
        data, address = await self._do(self._sock.receive_from(), READING)
        return data, address

    async def send(self, item: tuple[bytes, str]) -> None:
        """See `anyio.abc.ObjectSendStream.send`."""
        with self._sending:
            await self._do(self._sock.send_to(*item), WRITING)


class ConnectedUNIXDatagramSocket(Connected, abc.ConnectedUNIXDatagramSocket):
    """A Unix datagram socket with one peer."""
