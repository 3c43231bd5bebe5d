"""Real sockets for the tests of the network: connected pairs, resets, full pipes."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import giambio

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
#: The kinds of connections that a stream socket can make.
KINDS = ["IPv4", "IPv6", "Unix"]
FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}


def connected(kind: str = "IPv4") -> tuple[socket.socket, socket.socket]:
    """Two plain, blocking sockets that are connected with each other."""
    if kind == "Unix":
        return socket.socketpair()
    family = FAMILIES[kind]
    with socket.socket(family) as listener:
        listener.bind((LOOPBACK[family], 0))
        listener.listen()
        client = socket.socket(family)
        client.settimeout(20)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    server.settimeout(20)
    return client, server


def half_wrapped(kind: str = "IPv4") -> tuple[giambio.AsyncSocket, socket.socket]:
    """A connection with an `AsyncSocket` at our end and a plain socket at theirs."""
    ours, theirs = connected(kind)
    return giambio.wrap_socket(ours), theirs


def wrapped(kind: str = "IPv4") -> tuple[giambio.AsyncSocket, giambio.AsyncSocket]:
    """A connection with an `AsyncSocket` at both ends."""
    ours, theirs = connected(kind)
    return giambio.wrap_socket(ours), giambio.wrap_socket(theirs)


def listening(family: int = socket.AF_INET, backlog: int = 100) -> giambio.AsyncSocket:
    """A listening `AsyncSocket` on a free port of the loopback."""
    listener = giambio.wrap_socket(socket.socket(family))
    listener.bind((LOOPBACK[socket.AddressFamily(family)], 0))
    listener.listen(backlog)
    return listener


def reset(sock: socket.socket) -> None:
    """Close a plain TCP socket with a reset instead of a goodbye."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def unused_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def fill(sock: socket.socket) -> int:
    """Send on a plain socket until there is no room; returns how many bytes that took."""
    sock.setblocking(False)
    total = 0
    try:
        while True:
            total += sock.send(bytes(65536))
    except BlockingIOError:
        return total


async def fill_wrapped(sock: giambio.AsyncSocket) -> int:
    """Send on an `AsyncSocket` until it would have to wait; returns how many bytes."""
    total = 0
    while True:
        with giambio.move_on_after(0.05) as scope:
            total += await sock.send(bytes(65536))
        if scope.cancelled_caught:
            return total


def drain(sock: socket.socket, size: int) -> bytes:
    """Receive exactly so many bytes with a plain, blocking socket."""
    parts = []
    while size:
        part = sock.recv(min(size, 1 << 20))
        assert part, "the stream ended early"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


async def receive_exactly(sock: giambio.AsyncSocket, size: int) -> bytes:
    """Receive exactly so many bytes."""
    data = bytearray()
    while len(data) < size:
        part = await sock.receive(size - len(data))
        assert part, f"the stream ended after {len(data)} of {size} bytes"
        data += part
    return bytes(data)


async def receive_to_the_end(sock: giambio.AsyncSocket) -> bytes:
    """Receive until the other side ends its stream."""
    data = bytearray()
    while part := await sock.receive(65536):
        data += part
    return bytes(data)


async def turns(count: int = 3) -> None:
    """Let every other task run until it waits."""
    for _ in range(count):
        await giambio.checkpoint()


async def outcome(call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """What an await returned, or the exception it raised."""
    try:
        return await call(*args)
    except Exception as exc:
        return exc
