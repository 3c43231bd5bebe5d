"""Changes of source files, for reloads in development: by watchfiles, which is an extra."""

from __future__ import annotations

from collections.abc import Callable

from watchfiles import PythonFilter, awatch

__all__ = ["follow"]


async def follow(folder: str, when_changed: Callable[[list[str]], object]) -> None:
    """Tell of changed source files until cancelled.

    Parameters:
        folder: where they are, at any depth.
        when_changed: called with their paths. Changes that come together are told at once.
    """
    async for changes in awatch(folder, watch_filter=PythonFilter()):
        when_changed(sorted({path for _, path in changes}))
