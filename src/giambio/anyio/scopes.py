"""Cancel scopes: giambio's, with the face that AnyIO gives them."""

from __future__ import annotations

from math import inf, isnan
from types import TracebackType
from typing import Any, Self

import anyio
from giambio.kernel import current
from giambio.tasks.cancel import CancelScope as OwnScope

__all__ = ["CancelScope"]


class CancelScope(anyio.CancelScope):
    """A scope of giambio's; `own` is one that exists already, such as a manager's."""

    __slots__ = ("_own",)

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """AnyIO's own would ask the back end for one."""
        return object.__new__(cls)

    def __init__(
        self, *, deadline: float = inf, shield: bool = False, own: OwnScope | None = None
    ) -> None:
        self._own = own or OwnScope(deadline=checked(deadline), shield=shield)

    def __enter__(self) -> Self:
        self._own.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return self._own.__exit__(exc_type, exc, traceback)

    def cancel(self, reason: str | None = None) -> None:
        """See `anyio.CancelScope.cancel`; the task that calls it becomes part of the reason."""
        kernel = current.get()
        if kernel is not None and kernel._running is not None:
            by = f"by task {kernel._running.name!r}"
            reason = by if reason is None else f"{reason} ({by})"
        self._own.cancel(reason)

    @property
    def deadline(self) -> float:
        """See `anyio.CancelScope.deadline`."""
        return self._own.deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self._own.deadline = checked(deadline)

    @property
    def cancel_called(self) -> bool:
        """See `anyio.CancelScope.cancel_called`."""
        return self._own.cancel_called

    @property
    def cancelled_caught(self) -> bool:
        """See `anyio.CancelScope.cancelled_caught`."""
        return self._own.cancelled_caught

    @property
    def shield(self) -> bool:
        """See `anyio.CancelScope.shield`."""
        return self._own.shield

    @shield.setter
    def shield(self, shield: bool) -> None:
        self._own.shield = shield


def checked(deadline: float) -> float:
    """A deadline.

    Raises:
        ValueError: it is not a number.
    """
    if isnan(deadline):
        raise ValueError("deadline must not be NaN")
    return deadline
