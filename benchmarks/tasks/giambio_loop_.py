"""asyncio's programs on giambio's loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import giambio
import giambio.asyncio
from tasks.asyncio_ import call_later, call_soon, future, spawn

__all__ = ["DESCRIPTION", "call_later", "call_soon", "future", "run", "spawn"]

DESCRIPTION = str(giambio.build_info())


def run(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    giambio.asyncio.run(function(*args))
