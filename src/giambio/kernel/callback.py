"""A waiter that calls a function: for interpreted code that waits on a driver.

Compiled methods cannot be overridden from interpreted classes, so what is not
worth compiling hands a callable to this one.
"""

from __future__ import annotations

from collections.abc import Callable

from giambio.drivers.source import Waiter

__all__ = ["Callback"]


class Callback(Waiter):
    """Calls a function when it is told to be ready."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def _ready(self) -> None:
        """Pass it on."""
        self._function()
