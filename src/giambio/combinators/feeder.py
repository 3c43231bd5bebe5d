"""Takes item by item from what the user has given, as soon as there is a place for it.

It runs as a task beside those that the items are for, and it is interpreted: user
code runs below it, and `async for` is wanted.
"""

from __future__ import annotations

import types
from collections.abc import AsyncIterable
from typing import Any

__all__ = ["pull"]


async def pull(feeding: Any, items: Any) -> None:
    """Start a task for each item; take none before there is a place for its task."""
    if hasattr(type(items), "__aiter__"):
        await pull_async(feeding, items)
        return
    await feeding.place()
    for item in items:
        feeding.feed(item)
        await feeding.place()


async def pull_async(feeding: Any, items: AsyncIterable[Any]) -> None:
    """The same from an async iterable."""
    iterator = aiter(items)
    try:
        await feeding.place()
        async for item in iterator:
            feeding.feed(item)
            await feeding.place()
    finally:
        # Nobody else could: the iterator was made here, or the generator was handed over.
        if iterator is not items or isinstance(iterator, types.AsyncGeneratorType):
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()
