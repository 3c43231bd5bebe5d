"""A coroutine around any awaitable: a task is always a coroutine.

It stays interpreted, because a user's awaitable runs inside of it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

__all__ = ["wrap_awaitable"]


async def wrap_awaitable(awaitable: Awaitable[Any]) -> Any:
    """A coroutine around any awaitable."""
    try:
        return await awaitable
    finally:
        # An operation knows its task: the frame of a failure must not keep it.
        del awaitable
