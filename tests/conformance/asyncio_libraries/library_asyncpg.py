"""asyncpg, against PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

import giambio
from conformance.asyncio_libraries.cancelling import cancelled_at_random
from conformance.asyncio_libraries.postgres import USER, Observer, observed
from conformance.asyncio_libraries.worlds import World

CONNECTIONS = 3


@asynccontextmanager
async def pool_of(port: int) -> AsyncIterator[tuple[Any, Observer]]:
    """A pool of three connections, all of which have to work in the end."""
    async with observed(port) as observer:
        where = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        async with asyncpg.create_pool(where, min_size=1, max_size=CONNECTIONS) as pool:
            yield pool, observer
            await observer.sees_nothing_running()
            query = "SELECT $1::int FROM pg_sleep(0.01)"
            answers = await asyncio.gather(*(pool.fetchval(query, i) for i in range(10)))
            assert answers == list(range(10))


def test_queries(world: World, postgres_port: int) -> None:
    """Queries, a transaction that is rolled back, a cursor, COPY."""

    async def main() -> None:
        async with pool_of(postgres_port) as (pool, _), pool.acquire() as connection:
            assert await connection.fetchval("SELECT 1 + $1::int", 2) == 3
            with pytest.raises(ZeroDivisionError):
                async with connection.transaction():
                    await connection.execute("INSERT INTO entry VALUES ('half', 1)")
                    raise ZeroDivisionError
            rows = [("copied", 1), ("copied", 2)]
            await connection.copy_records_to_table("entry", records=rows)
            async with connection.transaction():
                query = "SELECT * FROM generate_series(1, 1000)"
                assert len([row async for row in connection.cursor(query)]) == 1000

    world.run(main)


def test_a_pool_in_many_tasks(world: World, postgres_port: int) -> None:
    """Fifty tasks share three connections."""

    async def main() -> None:
        async with pool_of(postgres_port) as (pool, _):

            async def ask(i: int) -> int:
                return int(await pool.fetchval("SELECT $1::int", i))

            assert await asyncio.gather(*map(ask, range(50))) == list(range(50))
            if world.has_giambio:
                assert await giambio.map_concurrent(ask, range(50), limit=10) == list(range(50))

    world.run(main)


def test_cancelled_transactions(world: World, postgres_port: int) -> None:
    """They are rolled back, and an answer never goes to another query."""
    numbers = itertools.count()

    async def main() -> None:
        async with pool_of(postgres_port) as (pool, _):

            async def operation() -> None:
                token = str(next(numbers))
                async with pool.acquire() as connection, connection.transaction():
                    await connection.execute("INSERT INTO entry VALUES ($1, 1)", token)
                    assert (
                        await connection.fetchval("SELECT $1 FROM pg_sleep(0.002)", token) == token
                    )
                    await connection.execute("INSERT INTO entry VALUES ($1, 2)", token)

            await cancelled_at_random(world, operation)

    # A connection that is given up while a query is being cancelled.
    world.run(main, own="unexpected connection_lost() call")


def test_a_cancelled_query_ends_on_the_server(world: World, postgres_port: int) -> None:
    """A query that would take a minute is stopped there, too."""

    async def main() -> None:
        async with pool_of(postgres_port) as (pool, observer):
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await pool.execute("SELECT pg_sleep(60)")
                await observer.sees_nothing_running()
                if world.has_giambio:
                    with giambio.move_on_after(0.05) as scope:
                        await pool.execute("SELECT pg_sleep(60)")
                    assert scope.cancelled_caught
                    await observer.sees_nothing_running()

    world.run(main)


def test_listen(world: World, postgres_port: int) -> None:
    """Notifications come in order, by callbacks of the loop."""

    async def main() -> None:
        got: asyncio.Queue[str] = asyncio.Queue()
        async with pool_of(postgres_port) as (pool, _), pool.acquire() as listener:

            def notified(connection: Any, pid: int, channel: str, payload: str) -> None:
                got.put_nowait(payload)

            await listener.add_listener("news", notified)
            for i in range(20):
                await pool.execute("SELECT pg_notify('news', $1)", str(i))
            assert [await got.get() for _ in range(20)] == [str(i) for i in range(20)]
            await listener.remove_listener("news", notified)

    world.run(main)
