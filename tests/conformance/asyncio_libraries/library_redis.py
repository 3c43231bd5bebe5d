"""redis-py's asyncio client, against Redis."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import LockNotOwnedError

import giambio
from conformance.asyncio_libraries.cancelling import cancelled_at_random
from conformance.asyncio_libraries.worlds import World, eventually

CONNECTIONS = 5


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Any]:
    """A client with a pool of five connections; after it the server has none of them."""
    with redis.Redis(port=port) as observer:
        observer.flushall()
        pool = BlockingConnectionPool(port=port, max_connections=CONNECTIONS, timeout=20)
        try:
            yield (client := Redis(connection_pool=pool))
            await is_healthy(client)
            await eventually(lambda: observer.info("clients")["blocked_clients"] == 0)
        finally:
            await pool.disconnect()
        await eventually(lambda: len(observer.client_list()) == 1, observer.client_list)


async def is_healthy(client: Any) -> None:
    """Use as many connections as the pool has, at once."""
    waiting = [
        asyncio.create_task(client.blpop([f"nothing-{i}"], 5)) for i in range(CONNECTIONS - 1)
    ]
    for i in range(10):
        assert await client.echo(f"healthy {i}") == f"healthy {i}".encode()
    for i in range(CONNECTIONS - 1):
        await client.rpush(f"nothing-{i}", i)
    assert [int(value) for _, value in await asyncio.gather(*waiting)] == list(
        range(CONNECTIONS - 1)
    )


def test_commands(world: World, redis_port: int) -> None:
    """Commands and pipelines, and a transaction that is watched."""

    async def main() -> None:
        async with client(redis_port) as r:
            await r.set("a", "1")
            assert await r.get("a") == b"1"
            async with r.pipeline(transaction=True) as pipe:
                for _ in range(100):
                    pipe.incr("n")
                assert await pipe.execute() == list(range(1, 101))

            async def double(pipe: Any) -> None:
                value = int(await pipe.get("a"))
                pipe.multi()
                pipe.set("a", 2 * value)

            assert await r.transaction(double, "a") == [True]
            big = b"x" * 3_000_000
            await r.set("big", big)
            assert await r.get("big") == big

    world.run(main)


def test_commands_in_many_tasks(world: World, redis_port: int) -> None:
    """A hundred tasks share the pool."""

    async def main() -> None:
        async with client(redis_port) as r:

            async def echo(i: int) -> bool:
                return bool(await r.echo(str(i)) == str(i).encode())

            assert all(await asyncio.gather(*(echo(i) for i in range(100))))
            if world.has_giambio:
                assert all(await giambio.map_concurrent(echo, range(100), limit=20))

    world.run(main)


def test_cancelled_commands(world: World, redis_port: int) -> None:
    """An answer never goes to another command than the one that asked."""
    numbers = itertools.count()

    async def main() -> None:
        async with client(redis_port) as r:

            async def operation() -> None:
                token = f"token {next(numbers)}"
                for part in range(3):
                    assert await r.echo(f"{token} {part}") == f"{token} {part}".encode()
                async with r.pipeline() as pipe:
                    pipe.echo(token)
                    pipe.set(token, 1)
                    pipe.get(token)
                    assert await pipe.execute() == [token.encode(), True, b"1"]

            await cancelled_at_random(world, operation)

    world.run(main)


def test_cancelled_blpop(world: World, redis_port: int) -> None:
    """A cancelled BLPOP lets go of the server, which would give it the next element."""

    async def main() -> None:
        async with client(redis_port) as r:
            observer = redis.Redis(port=redis_port)

            def blocked() -> int:
                return int(observer.info("clients")["blocked_clients"])

            async def blocks() -> None:
                await eventually(blocked)
                # A cancellation that comes when the command was just sent is swallowed by
                # `asyncio.wait_for` before Python 3.12.
                await asyncio.sleep(0.01)

            for _ in range(10):
                waiting = asyncio.create_task(r.blpop(["list"], 0))
                await blocks()
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                await eventually(lambda: not blocked())
                if world.has_giambio:
                    async with giambio.TaskManager() as manager:
                        task = await manager.spawn(r.blpop, ["list"], 0)
                        await blocks()
                        manager.cancel()
                    assert task.cancelled()
                    await eventually(lambda: not blocked())
            observer.close()
            await r.rpush("list", "x")
            assert list(await r.blpop(["list"], 1)) == [b"list", b"x"]

    world.run(main)


def test_blpop_cancelled_at_random(world: World, redis_port: int) -> None:
    """Also while it connects, or has its answer already."""

    async def main() -> None:
        async with client(redis_port) as r:

            async def operation() -> None:
                await r.rpush("list", "x")
                got = await r.blpop(["list", "other"], 1)
                assert got is None or got[1] == b"x"

            await cancelled_at_random(world, operation)

    world.run(main)


def test_publish_and_subscribe(world: World, redis_port: int) -> None:
    """Messages come in order, and a listener can be cancelled at any time."""

    async def main() -> None:
        async with client(redis_port) as r, r.pubsub() as pubsub:
            await pubsub.subscribe("news")
            assert (await pubsub.get_message(timeout=5))["type"] == "subscribe"
            for i in range(100):
                await r.publish("news", i)
            got = [await pubsub.get_message(timeout=5) for _ in range(100)]
            assert [int(message["data"]) for message in got] == list(range(100))

            async def operation() -> None:
                async with r.pubsub() as listener:
                    await listener.subscribe("news")
                    async for message in listener.listen():
                        if message["type"] == "subscribe":
                            await r.publish("news", "go")
                        else:
                            break

            # Each holds two connections.
            await cancelled_at_random(world, operation, workers=2)

    world.run(main)


def test_locks(world: World, redis_port: int) -> None:
    """A lock excludes, and is free again after a holder or a waiter was cancelled."""
    inside = 0

    async def main() -> None:
        async with client(redis_port) as r:

            async def operation() -> None:
                nonlocal inside
                lock = r.lock("lock", timeout=0.25, sleep=0.001)
                if not await lock.acquire():
                    return
                try:
                    inside += 1
                    assert inside == 1
                    await asyncio.sleep(0.0005)
                finally:
                    inside -= 1
                    try:
                        await asyncio.shield(lock.release())
                    except LockNotOwnedError:
                        pass  # it took too long

            await cancelled_at_random(world, operation, times=100)
            assert await r.lock("lock", timeout=1, blocking_timeout=5).acquire()

    world.run(main)
