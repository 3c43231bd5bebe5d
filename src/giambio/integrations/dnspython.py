"""dnspython has sockets of asyncio's and of Trio's; anything else it refuses.

`dns.asyncbackend.get_default_backend()` asks sniffio once and raises a `NotImplementedError` when
the answer is neither; later it returns the same, whichever loop runs. In a giambio task, and only
there, it returns giambio's backend, with the methods of `dns.asyncbackend.Backend` and its
sockets.

DNS over HTTPS is httpx2's, and thus AnyIO's; dnspython's transport for asyncio uses AnyIO only.

Tested with the versions in `TESTED`.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from importlib import import_module
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from giambio.kernel import current_library
from giambio.kernel.checkpoints import sleep
from giambio.net.datagrams import AsyncDatagramSocket, wrap_datagram_socket
from giambio.net.socket import AsyncSocket, wrap_socket
from giambio.tasks.timeouts import move_on_after

if TYPE_CHECKING:
    import ssl

    from giambio.net.tls.stream import TLSStream

__all__ = ["SPOT", "TESTED", "adapted"]

T = TypeVar("T")

TESTED = {"dnspython": "2.9.2"}

#: The function that is replaced.
SPOT = "get_default_backend"


def adapted(original: Callable[[], object], just_loaded: bool) -> Callable[[], object]:
    """See `finder.adapt`."""
    backend = _Backend()

    def get_default_backend() -> object:
        return backend if current_library.local.name == current_library.NAME else original()

    return get_default_backend


async def _within(timeout: float | None, awaitable: Awaitable[T]) -> T:
    """What it returns, or the library's own error after so many seconds."""
    with move_on_after(inf if timeout is None else timeout):
        return await awaitable
    raise import_module("dns.exception").Timeout(timeout=timeout)


class _Socket:
    """The methods that both kinds of sockets have."""

    def __init__(self, sock: AsyncSocket | AsyncDatagramSocket) -> None:
        self._sock = sock
        self.family = sock.family

    async def getpeername(self) -> Any:
        return self._sock.getpeername()

    async def getsockname(self) -> Any:
        return self._sock.getsockname()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._sock.close()

    async def getpeercert(self, timeout: float | None) -> object:
        raise NotImplementedError


class _DatagramSocket(_Socket):
    type = socket.SOCK_DGRAM

    def __init__(self, sock: AsyncDatagramSocket) -> None:
        super().__init__(sock)
        self._datagrams = sock

    async def sendto(self, data: bytes, destination: Any, timeout: float | None) -> int:
        sock = self._datagrams
        await _within(timeout, sock.send_to(data, destination) if destination else sock.send(data))
        return len(data)

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        return await _within(timeout, self._datagrams.receive_from(size))


class _StreamSocket(_Socket):
    type = socket.SOCK_STREAM

    def __init__(self, sock: AsyncSocket, stream: AsyncSocket | TLSStream) -> None:
        super().__init__(sock)
        self._stream = stream

    async def sendall(self, data: bytes, timeout: float | None) -> None:
        await _within(timeout, self._stream.send_all(data))

    async def recv(self, size: int, timeout: float | None) -> bytes:
        received: bytes = await _within(timeout, self._stream.receive(size))
        return received

    async def close(self) -> None:
        await self._stream.close()

    async def getpeercert(self, timeout: float | None) -> object:
        if isinstance(self._stream, AsyncSocket):
            raise NotImplementedError
        return self._stream.ssl_object.getpeercert()


class _Backend:
    def name(self) -> str:
        return current_library.NAME

    async def make_socket(
        self,
        af: int,
        socktype: int,
        proto: int = 0,
        source: Any = None,
        destination: Any = None,
        timeout: float | None = None,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> _Socket:
        low_level: Any = import_module("dns.inet").low_level_address_tuple
        if socktype not in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            raise NotImplementedError(f"unsupported socket type {socktype}")
        plain = socket.socket(af, socktype, proto)
        sock: Any = (wrap_datagram_socket if socktype == socket.SOCK_DGRAM else wrap_socket)(plain)
        try:
            if source:
                sock.bind(low_level(source, af))
            if destination:
                await _within(timeout, sock.connect(low_level(destination, af)))
            if socktype == socket.SOCK_DGRAM:
                return _DatagramSocket(sock)
            stream = sock
            if ssl_context:
                from giambio.net.tls.start_tls import start_tls

                encrypting = start_tls(sock, ssl_context, server_hostname=server_hostname)
                stream = await _within(timeout, encrypting)
            return _StreamSocket(sock, stream)
        except BaseException:
            sock.close_now()
            raise

    def datagram_connection_required(self) -> bool:
        return False

    async def sleep(self, interval: float) -> None:
        await sleep(interval)

    def get_transport_class(self) -> object:
        return import_module("dns._asyncio_backend")._HTTPTransport

    async def wait_for(self, awaitable: Awaitable[T], timeout: float | None) -> T:
        return await _within(timeout, awaitable)
