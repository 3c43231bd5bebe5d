"""PostgreSQL as it is seen from outside of the library that is tested."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from conformance.asyncio_libraries.worlds import eventually

__all__ = ["USER", "Observer", "observed"]

USER = "postgres"
OTHERS = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


class Observer:
    """A connection of its own, which asks what others do."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rows(self, query: Any) -> list[Any]:
        return self._connection.execute(query).fetchall()

    def run(self, command: Any) -> None:
        self._connection.execute(command)

    async def sees_nothing_running(self) -> None:
        """Wait until no query runs, and no transaction is open."""
        query = f"SELECT state, query {OTHERS} AND state <> 'idle'"
        await eventually(lambda: not self.rows(query), lambda: self.rows(query))

    async def sees_nobody(self) -> None:
        """Wait until there is no other client."""
        query = f"SELECT state, query {OTHERS}"
        await eventually(lambda: not self.rows(query), lambda: self.rows(query))


@asynccontextmanager
async def observed(port: int) -> AsyncIterator[Observer]:
    """Make an empty table "entry"; after it nobody is connected, and no transaction was half done.

    Each transaction is to put two rows with the same "batch" into the table.
    """
    with psycopg.connect(port=port, host="127.0.0.1", user=USER, autocommit=True) as connection:
        observer = Observer(connection)
        observer.run("DROP TABLE IF EXISTS entry")
        observer.run("CREATE TABLE entry (batch text, number int)")
        yield observer
        await observer.sees_nobody()
        assert not observer.rows("SELECT batch FROM entry GROUP BY batch HAVING count(*) <> 2")
