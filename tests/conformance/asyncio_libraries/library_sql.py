"""SQLAlchemy's asyncio engine and psycopg 3 against PostgreSQL, and aiosqlite."""

from __future__ import annotations

import asyncio
import gc
import itertools
from pathlib import Path

import aiosqlite
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import giambio
from conformance.asyncio_libraries.cancelling import cancelled_at_random
from conformance.asyncio_libraries.postgres import USER, observed
from conformance.asyncio_libraries.worlds import World

DRIVERS = {"asyncpg": "postgresql+asyncpg", "psycopg": "postgresql+psycopg"}


@pytest.mark.parametrize("driver", DRIVERS)
def test_sqlalchemy(world: World, postgres_port: int, driver: str) -> None:
    """The engine's pool is healthy after transactions that were cancelled in the middle."""
    numbers = itertools.count()
    add = text("INSERT INTO entry VALUES (:batch, :number)")
    answer = text("SELECT CAST(:token AS text) FROM pg_sleep(0.002)")

    async def main() -> None:
        async with observed(postgres_port) as observer:
            where = f"{DRIVERS[driver]}://{USER}@127.0.0.1:{postgres_port}/postgres"
            engine = create_async_engine(where, pool_size=2, max_overflow=1)

            async def operation() -> None:
                token = str(next(numbers))
                async with engine.begin() as connection:
                    await connection.execute(add, {"batch": token, "number": 1})
                    assert await connection.scalar(answer, {"token": token}) == token
                    await connection.execute(add, {"batch": token, "number": 2})

            try:
                await cancelled_at_random(world, operation, times=100)
                await observer.sees_nothing_running()
                await asyncio.gather(*(operation() for _ in range(6)))
                if world.has_giambio:
                    async with giambio.TaskManager() as manager:
                        for _ in range(6):
                            await manager.spawn(operation)
            finally:
                await engine.dispose()
                # psycopg leaves what was cancelled while it connected to the collector, on plain
                # asyncio, too.
                gc.collect()

    world.run(main, own="unexpected connection_lost() call")


def test_psycopg(world: World, postgres_port: int) -> None:
    """A connection for each operation; a cancelled query ends on the server."""
    numbers = itertools.count()
    where = f"postgresql://{USER}@127.0.0.1:{postgres_port}/postgres"

    async def main() -> None:
        async with observed(postgres_port) as observer:

            async def operation() -> None:
                token = str(next(numbers))
                async with (
                    await psycopg.AsyncConnection.connect(where) as connection,
                    connection.transaction(),
                ):
                    await connection.execute("INSERT INTO entry VALUES (%s, 1)", (token,))
                    cursor = await connection.execute("SELECT %s FROM pg_sleep(0.002)", (token,))
                    assert await cursor.fetchone() == (token,)
                    await connection.execute("INSERT INTO entry VALUES (%s, 2)", (token,))

            await cancelled_at_random(world, operation, times=100)
            await observer.sees_nothing_running()
            async with await psycopg.AsyncConnection.connect(where) as connection:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await connection.execute("SELECT pg_sleep(60)")
                await connection.rollback()
                if world.has_giambio:
                    with giambio.move_on_after(0.05) as scope:
                        await connection.execute("SELECT pg_sleep(60)")
                    assert scope.cancelled_caught
                    await connection.rollback()
                assert await (await connection.execute("SELECT 1")).fetchone() == (1,)

    world.run(main)


def test_aiosqlite(world: World, tmp_path: Path) -> None:
    """It works in a thread, and calls back from there."""
    numbers = itertools.count()

    async def main() -> None:
        async with aiosqlite.connect(tmp_path / "db") as db:
            await db.execute("CREATE TABLE entry (token text)")

            async def operation() -> None:
                token = str(next(numbers))
                await db.execute("INSERT INTO entry VALUES (?)", (token,))
                query = "SELECT token FROM entry WHERE token = ?"
                async with db.execute(query, (token,)) as cursor:
                    assert [row async for row in cursor] == [(token,)]
                await db.commit()

            await cancelled_at_random(world, operation)
            await operation()

    world.run(main)
