"""What all channels and queues share: how they are closed, and the ends that are dropped.

An end that nobody holds any more cannot be closed by anybody, and the other
side would wait for ever. So its finalizer closes it. A finalizer may run at any
time and in any thread, also in the middle of an operation on the same channel;
therefore the loop is asked to do it between two steps.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextvars import Context
from math import inf
from types import TracebackType
from typing import Any, Self

from giambio.arguments import is_int
from giambio.kernel.callbacks import Handle
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import NOTHING, Closed, Immediate, Operation
from giambio.kernel.tracebacks import user_place

__all__ = [
    "Closeable",
    "Droppable",
    "close_dropped",
    "fill",
    "limit_of",
]


class Closeable:
    """Something that can be closed, and that ``with`` closes."""

    __slots__ = ("_open",)

    def close_now(self) -> None:
        """Close it, and tell who waits; nothing happens a second time."""
        raise NotImplementedError

    def close(self) -> Operation:
        """Close it, at once; awaiting the result is welcome but not needed.

        Whoever waits here learns of it. Closing twice is harmless.

        Raises:
            RuntimeError: called from another thread than that of the loop in
                which tasks wait here.
            CancelledError: when awaited in a cancelled scope; it is closed then.

        Awaited, a checkpoint that never waits.

        Example:
            >>> import giambio
            >>> async def main():
            ...     send, receive = giambio.open_channel(1)
            ...     await send.close()
            ...     await receive.close()
            >>> giambio.run(main)
        """
        self.close_now()
        return Closed()

    def aclose(self) -> Operation:
        """The same as `close`, by the name that `contextlib.aclosing` looks for.

        Raises:
            RuntimeError, CancelledError: see `close`.

        Awaited, a checkpoint that never waits.

        Example:
            >>> import giambio
            >>> async def main():
            ...     await giambio.Queue().aclose()
            >>> giambio.run(main)
        """
        return self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close_now()

    def __aenter__(self) -> Operation:
        return Immediate(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation:
        self.close_now()
        return NOTHING


class Droppable(Closeable):
    """Something that has to be closed, because others wait for it."""

    __slots__ = ("__weakref__", "_made_at")

    def opened(self) -> None:
        """The last thing that the constructor does."""
        self._made_at = user_place()
        self._open = True

    def dropped(self) -> bool:
        """Nobody holds it any more, and it is not closed: have it closed.

        Returns:
            Whether somebody may have waited for that.
        """
        raise NotImplementedError

    def __del__(self) -> None:
        try:
            left_open = self._open
        except AttributeError:  # its constructor was called with the wrong arguments
            return
        if left_open:
            # Described first, because what is closed has nothing to say.
            text = f"{self!r} made at {self._made_at} was dropped without being closed"
            self._open = False
            if self.dropped():
                warnings.warn(text, ResourceWarning, stacklevel=2, source=None)


def close_dropped(kernel: Kernel | None, leave: Callable[[], object]) -> None:
    """Have something closed by a finalizer.

    Parameters:
        kernel: the loop in which it was used last.
        leave: what closes it.
    """
    if kernel is None or kernel._driver is None:
        leave()
    else:
        kernel._hand_in(Handle(leave, (), Context(), dropped=leave))


def limit_of(what: str, size: Any, least: int) -> int:
    """How many items may wait, as a number that C can count to.

    Parameters:
        what: who asks, for messages: ``"open_channel()"``.
        size: what the user has given.
        least: the smallest number that makes sense.

    Raises:
        TypeError, ValueError: the size is not a whole number from `least` up,
            nor infinity.
    """
    if isinstance(size, float) and size == inf:
        return sys.maxsize
    if not is_int(size):
        raise TypeError(
            f"{what} needs the number of items that may wait, a whole number or math.inf, "
            f"not {size!r}"
        )
    if size < least:
        raise ValueError(f"{what} needs a number of items from {least} up, not {size!r}")
    return min(size, sys.maxsize)


def fill(length: int, size: float) -> str:
    """How full something is, for `repr`."""
    return f"{length} items" if size == inf else f"{length} of {size} items"
