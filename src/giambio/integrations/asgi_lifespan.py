"""asgi-lifespan has events, queues and tasks of asyncio and of Trio; anything else it refuses.

`asgi_lifespan._concurrency.detect_concurrency_backend()` asks sniffio and raises a
`NotImplementedError` when the answer is neither. In a giambio task, and only there, it returns
giambio's backend, with the four methods that `LifespanManager` uses.

Tested with the versions in `TESTED`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf

from giambio.kernel import current_library
from giambio.sync.event import Event
from giambio.sync.queue import Queue
from giambio.tasks.manager import TaskManager
from giambio.tasks.timeouts import move_on_after

__all__ = ["SPOT", "TESTED", "adapted"]

TESTED = {"asgi-lifespan": "2.1.0"}

#: The function that is replaced. `_manager` has imported it by name.
SPOT = "detect_concurrency_backend"


def adapted(original: Callable[[], object], just_loaded: bool) -> Callable[[], object]:
    """See `finder.adapt`."""

    def detect_concurrency_backend() -> object:
        return _Backend() if current_library.local.name == current_library.NAME else original()

    return detect_concurrency_backend


class _Backend:
    """What the library's own `ConcurrencyBackend` asks for."""

    def __init__(self) -> None:
        self._expired = False

    def create_event(self) -> Event:
        return Event()

    def create_queue(self, capacity: int) -> Queue[object]:
        return Queue(capacity)

    async def run_and_fail_after(
        self, seconds: float | None, function: Callable[[], Awaitable[None]]
    ) -> None:
        with move_on_after(inf if seconds is None else seconds) as scope:
            await function()
        if scope.cancelled_caught:
            self._expired = True
            raise TimeoutError

    @asynccontextmanager
    async def run_in_background(
        self, function: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[None]:
        async with TaskManager() as manager:
            manager.start_soon(function)
            yield
            # The app is waited for. But after a late start there is no error here.
            if self._expired:
                manager.cancel()
