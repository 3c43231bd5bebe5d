"""Every kind of byte stream, as connected pairs: what is promised of one is tested on all."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import giambio
from giambio.processes.pipes import PipeReceiveStream, PipeSendStream
from support.net import wrapped
from support.tls import Certificates, encrypt

Pair = tuple[giambio.ByteStream, giambio.ByteStream]

#: The size of each buffer of a TCP connection. Left alone the system makes more and more room
#: for one who reads a lot, and then so much fits in that nobody slows the sender down.
BUFFER = 1 << 20


def bounded() -> tuple[giambio.AsyncSocket, giambio.AsyncSocket]:
    """A TCP connection whose buffers do not grow."""
    ends = wrapped()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    return ends


async def tcp(certificates: Certificates) -> Pair:
    return bounded()


async def unix(certificates: Certificates) -> Pair:
    return wrapped("Unix")


async def memory(certificates: Certificates) -> Pair:
    return giambio.memory_stream_pair()


async def small_memory(certificates: Certificates) -> Pair:
    return giambio.memory_stream_pair(10)


async def stapled(certificates: Certificates) -> Pair:
    left_out, right_in = giambio.memory_stream_one_way_pair()
    right_out, left_in = giambio.memory_stream_one_way_pair()
    return giambio.StapledStream(left_out, left_in), giambio.StapledStream(right_out, right_in)


async def pipes(certificates: Certificates) -> Pair:
    loop = giambio.current_loop()
    ends = []
    for _ in range(2):
        reading, writing = os.pipe()
        ends.append(PipeReceiveStream(loop, io.FileIO(reading, "rb")))
        ends.append(PipeSendStream(loop, io.FileIO(writing, "wb")))
    left_in, right_out, right_in, left_out = ends
    return giambio.StapledStream(left_out, left_in), giambio.StapledStream(right_out, right_in)


class Plain(giambio.ByteStream):
    """What a user may write: the least that the interface asks for, with an `async def` each."""

    def __init__(self, sock: giambio.AsyncSocket) -> None:
        self._sock = sock

    async def receive(self, max_size: int = 65536) -> bytes:
        return await self._sock.receive(max_size)

    async def send_all(self, data: Any) -> None:
        await self._sock.send_all(data)

    async def send_eof(self) -> None:
        await self._sock.send_eof()

    def close_now(self) -> None:
        self._sock.close_now()


async def plain(certificates: Certificates) -> Pair:
    left, right = bounded()
    return Plain(left), Plain(right)


async def buffered(certificates: Certificates) -> Pair:
    left, right = bounded()
    return giambio.BufferedStream(left), giambio.BufferedStream(right)


async def tls_1_2(certificates: Certificates) -> Pair:
    return await encrypt(*bounded(), certificates, "TLS 1.2")


async def tls_1_3(certificates: Certificates) -> Pair:
    return await encrypt(*bounded(), certificates, "TLS 1.3")


async def tls_over_memory(certificates: Certificates) -> Pair:
    return await encrypt(*giambio.memory_stream_pair(), certificates)


async def tls_over_stapled(certificates: Certificates) -> Pair:
    return await encrypt(*await stapled(certificates), certificates)


async def tls_over_pipes(certificates: Certificates) -> Pair:
    return await encrypt(*await pipes(certificates), certificates)


async def tls_over_plain(certificates: Certificates) -> Pair:
    return await encrypt(*await plain(certificates), certificates)


async def tls_over_tls(certificates: Certificates) -> Pair:
    return await encrypt(*await tls_1_3(certificates), certificates)


async def buffered_tls(certificates: Certificates) -> Pair:
    left, right = await tls_1_3(certificates)
    return giambio.BufferedStream(left), giambio.BufferedStream(right)


#: Those whose sending half has no end of its own, but is closed.
CLOSED_TO_END = ("pipes",)

KINDS: dict[str, Callable[[Certificates], Awaitable[Pair]]] = {
    "TCP": tcp,
    "Unix": unix,
    "memory": memory,
    "memory of 10 bytes": small_memory,
    "stapled": stapled,
    "pipes": pipes,
    "a user's": plain,
    "buffered": buffered,
    "TLS 1.2": tls_1_2,
    "TLS 1.3": tls_1_3,
    "TLS over memory": tls_over_memory,
    "TLS over stapled": tls_over_stapled,
    "TLS over pipes": tls_over_pipes,
    "TLS over a user's": tls_over_plain,
    "TLS over TLS": tls_over_tls,
    "buffered TLS": buffered_tls,
}


async def receive_exactly(stream: giambio.ReceiveStream, size: int) -> bytes:
    """Receive exactly so many bytes."""
    data = bytearray()
    while len(data) < size:
        part = await stream.receive(size - len(data))
        assert part, f"the stream ended after {len(data)} of {size} bytes"
        data += part
    return bytes(data)


async def receive_to_the_end(stream: giambio.ReceiveStream) -> bytes:
    """Receive until the other side ends its stream."""
    data = bytearray()
    while part := await stream.receive():
        data += part
    return bytes(data)


async def send_in_part(sender: giambio.SendStream, receiver: giambio.ReceiveStream) -> None:
    """Cancel a `send_all` when a part of it has been sent."""
    async with giambio.TaskManager() as manager:
        sending = await manager.spawn(sender.send_all(bytes(64 << 20)))
        await receiver.receive(1)
        sending.cancel()


async def raises(expected: type[BaseException], call: Callable[..., Any], *args: Any) -> Any:
    """Await a call that is to fail, and return how."""
    try:
        await call(*args)
    except expected as exc:
        return exc
    raise AssertionError(f"{call} did not raise {expected.__name__}")
