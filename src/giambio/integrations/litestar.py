"""Litestar runs sync functions in threads of asyncio or of Trio; anything else it refuses.

`litestar.concurrency.sync_to_thread()` asks sniffio and raises a `RuntimeError` when the answer
is neither: every handler with `sync_to_thread=True` answers 500, and files cannot be read. In a
giambio task, and only there, it is `giambio.to_thread`.

Tested with the versions in `TESTED`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from giambio.kernel import current_library
from giambio.threads.to_thread import to_thread

__all__ = ["SPOT", "TESTED", "adapted"]

T = TypeVar("T")

TESTED = {"litestar": "2.25.0"}

#: The function that is replaced. Five modules have imported it by name.
SPOT = "sync_to_thread"


def adapted(
    original: Callable[..., Awaitable[Any]], just_loaded: bool
) -> Callable[..., Awaitable[Any]]:
    """See `finder.adapt`."""

    async def sync_to_thread(fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        if current_library.local.name == current_library.NAME:
            return await to_thread(partial(fn, *args, **kwargs))
        result: T = await original(fn, *args, **kwargs)
        return result

    return sync_to_thread
