"""Streams and TLS, as type checkers see them; see `check_types.py`."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from typing import Any, assert_type

import giambio


async def encrypting(sock: giambio.AsyncSocket, context: ssl.SSLContext) -> None:
    stream = await giambio.start_tls(sock, context, server_hostname="example.com")
    assert_type(stream, giambio.TLSStream)
    assert_type(await stream.receive(), bytes)
    assert_type(await stream.send(b"x"), int)
    assert_type(stream.alpn_protocol, str | None)
    assert_type(stream.transport_stream, giambio.ByteStream)
    async with await giambio.start_tls(giambio.BufferedStream(stream)) as inner:
        assert_type(inner, giambio.TLSStream)
    async with giambio.TaskManager() as manager:
        assert_type((await manager.spawn(stream.receive())).result(), bytes)
        await manager.spawn(stream.close())

    await giambio.start_tls(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def opening(context: ssl.SSLContext, path: giambio.Path) -> None:
    async with giambio.connect_tcp("localhost", 80) as stream:
        assert_type(stream, giambio.AsyncSocket)
    async with giambio.connect_tcp("localhost", 443, tls=context) as encrypted:
        assert_type(encrypted, giambio.TLSStream)
    async with giambio.connect_unix("socket") as unix, giambio.connect_udp("localhost", 9) as udp:
        assert_type(unix, giambio.AsyncSocket)
        assert_type(udp, giambio.AsyncDatagramSocket)
    async with giambio.open_unix_listener("socket") as listener, giambio.open_udp() as bound:
        assert_type(listener, giambio.SocketListener)
        assert_type(bound, giambio.AsyncDatagramSocket)
    async with giambio.open_file(path) as text, giambio.open_file(path, "rb") as binary:
        assert_type(text, giambio.AsyncFile[str])
        assert_type(binary, giambio.AsyncFile[bytes])
    async with path.open() as either:
        assert_type(either, giambio.AsyncFile[Any])
    async with giambio.open_process(["true"]) as process:
        assert_type(process, giambio.Process)

    assert_type(await giambio.connect_tcp("localhost", 80), giambio.AsyncSocket)
    assert_type(await giambio.connect_tcp("localhost", 443, tls=True), giambio.TLSStream)
    assert_type(await giambio.open_file(path), giambio.AsyncFile[str])
    async with await giambio.open_process(["true"]) as same:
        assert_type(same, giambio.Process)
    async with AsyncExitStack() as stack:
        file = await stack.enter_async_context(giambio.open_file(path))
        assert_type(file, giambio.AsyncFile[str])
    async with giambio.TaskManager() as manager:
        task = manager.start_soon(giambio.connect_unix, "socket")
        assert_type(task.result(), giambio.AsyncSocket)
        assert_type((await manager.spawn(giambio.open_udp())).result(), giambio.AsyncDatagramSocket)
    assert_type(
        await giambio.gather(giambio.open_udp(), giambio.connect_unix("socket")),
        tuple[giambio.AsyncDatagramSocket, giambio.AsyncSocket],
    )

    with giambio.open_udp():  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
        pass


async def wrapping(sock: giambio.AsyncSocket) -> None:
    lines = giambio.BufferedStream(sock)
    assert_type(await lines.receive_line(), bytes)
    async for line in lines:
        assert_type(line, bytes)
    left, _ = giambio.memory_stream_pair()
    assert_type(left, giambio.ByteStream)
    there, here = giambio.memory_stream_one_way_pair()
    assert_type(await giambio.TextStream(here).receive(), str)
    with giambio.StapledStream(there, here) as both:
        assert_type(both, giambio.StapledStream)

    giambio.StapledStream(here, there)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.BufferedStream(there)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def echo(stream: giambio.ByteStream) -> None:
    async with stream as same:
        assert_type(same, giambio.ByteStream)
        while data := await stream.receive():
            await stream.send_all(data)


async def serving(sock: giambio.AsyncSocket, listener: giambio.Listener) -> None:
    await echo(sock)
    connection, _ = await listener.accept()
    await echo(connection)


class Zeros(giambio.ByteStream):
    async def receive(self, max_size: int = 65536) -> bytes:
        return bytes(max_size)

    async def send_all(self, data: Any) -> None: ...

    async def send_eof(self) -> None: ...

    def close_now(self) -> None: ...


async def deriving() -> None:
    await echo(Zeros())
