"""The task that takes items from an iterable, each as soon as there is a place for its task.

It is interpreted: user code runs below it, and it needs `async for`.
"""

from __future__ import annotations

import types
from collections.abc import AsyncIterable
from typing import Any

__all__ = ["feed"]


async def feed(collector: Any, items: Any) -> None:
    """Start a task for each item; take no item before there is a place for its task."""
    if hasattr(type(items), "__aiter__"):
        await feed_async(collector, items)
        return
    await collector._place()
    for item in items:
        collector._start(item)
        await collector._place()


async def feed_async(collector: Any, items: AsyncIterable[Any]) -> None:
    """The same from an async iterable."""
    iterator = aiter(items)
    try:
        await collector._place()
        async for item in iterator:
            collector._start(item)
            await collector._place()
    finally:
        # No other code can: the iterator was made here, or the generator was handed over.
        if iterator is not items or isinstance(iterator, types.AsyncGeneratorType):
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()
