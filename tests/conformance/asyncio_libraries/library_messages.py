"""grpc.aio, client and server, and aiomqtt against Mosquitto."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
import grpc
import grpc.aio

import giambio
from conformance.asyncio_libraries.cancelling import cancelled_at_random
from conformance.asyncio_libraries.worlds import World


async def echo(request: bytes, context: Any) -> bytes:
    await asyncio.sleep(0.001)
    return request


async def managed(request: bytes, context: Any) -> bytes:
    async with giambio.TaskManager() as manager:
        task = await manager.spawn(asyncio.sleep, 0.001, request)
    return task.result()


async def count(request: bytes, context: Any) -> AsyncIterator[bytes]:
    for i in range(int(request)):
        yield str(i).encode()


def test_grpc(world: World) -> None:
    """Calls and streams, cancelled at random.

    Its threads have descriptors, which they open and close when they like, on plain asyncio, too.
    """
    numbers = itertools.count()
    handlers = {
        "echo": grpc.unary_unary_rpc_method_handler(echo),
        "managed": grpc.unary_unary_rpc_method_handler(managed),
        "count": grpc.unary_stream_rpc_method_handler(count),
    }

    async def main() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test", handlers)])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:

            async def operation() -> None:
                token = str(next(numbers)).encode()
                assert await channel.unary_unary("/test/echo")(token) == token
                got = [part async for part in channel.unary_stream("/test/count")(b"5")]
                assert got == [b"0", b"1", b"2", b"3", b"4"]

            if world.has_giambio:
                assert await channel.unary_unary("/test/managed")(b"x") == b"x"
            await cancelled_at_random(world, operation)
            await operation()
        await server.stop(None)

    world.run(main, own_descriptors=True)


def test_aiomqtt(world: World, mqtt_port: int) -> None:
    """Messages come in order, also after publishing was cancelled at random.

    A client that is cancelled while it connects leaves a task behind, on plain asyncio, too.
    """
    numbers = itertools.count()

    async def main() -> None:
        async with aiomqtt.Client("127.0.0.1", mqtt_port) as client:

            async def operation() -> None:
                await client.publish("other", str(next(numbers)), qos=1)

            await cancelled_at_random(world, operation)
            await client.subscribe("news")
            for i in range(50):
                await client.publish("news", str(i), qos=1)
            got = [(await anext(client.messages)).payload for _ in range(50)]
            assert got == [str(i).encode() for i in range(50)]

    world.run(main)
