"""Closing: the common part of channels, broadcasts, watches and queues.

Either side of a channel closes it, and the other side learns of the end. `receive` raises
`EndOfStream` then; ``async for`` stops.

An end without references cannot be closed any more, and the other side would wait forever.
So its finalizer closes it. A finalizer may run at any time and in any thread, also in the
middle of an operation on the same channel; so the loop does the work, between two steps.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextvars import Context
from math import inf
from typing import Any, Self

from giambio.arguments import check_int, is_int
from giambio.errors import ClosedResourceError, EndOfStream
from giambio.kernel.callbacks import Handle
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import NOTHING, Closed, Immediate, Operation
from giambio.kernel.tracebacks import DROPPER, user_place
from giambio.kernel.wait_queue import QueuedOperation

__all__ = ["Closeable", "Droppable", "OnDrop", "ReceivingOperation", "fill", "limit_of"]


#: The loop in which an object was used last; the function that closes it, without a reference to
#: the object; and whether a task may have waited for that.
OnDrop = tuple[Kernel | None, Callable[[], object], bool]


class Closeable:
    """Base class of objects that can be closed, and that ``with`` closes."""

    __slots__ = ("_open",)

    #: The consequence of being closed, in messages.
    _consequence = ""

    def _close_now(self) -> None:
        """Close it, and wake the tasks that wait; the second time, do nothing."""
        raise NotImplementedError

    def _closed_error(self) -> ClosedResourceError:
        """Return the error of using a closed object."""
        return ClosedResourceError(f"this {type(self).__name__} is closed{self._consequence}")

    def close(self) -> Operation[None]:
        """Close it, at once; awaiting the result is optional.

        Tasks that wait here are told. Closing twice is harmless.

        Raises:
            RuntimeError: tasks wait here, and this is not their loop's thread.
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
        self._close_now()
        return Closed()

    def aclose(self) -> Operation[None]:
        """Alias of `close`, for `contextlib.aclosing`.

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

    def __exit__(self, exc_type: object, exc: object, traceback: object) -> None:
        self._close_now()

    def __aenter__(self) -> Operation[Self]:
        return Immediate(self)

    def __aexit__(self, exc_type: object, exc: object, traceback: object) -> Operation[None]:
        self._close_now()
        return NOTHING


class Droppable(Closeable):
    """Base class of objects that must be closed, because tasks wait for that."""

    __slots__ = ("__weakref__", "_made_at")

    def _opened(self) -> None:
        """Mark the object as open: the constructor's last step."""
        self._made_at = user_place()
        self._open = True

    def _on_drop(self) -> OnDrop:
        """Return how to close this object, which was dropped while it was open."""
        raise NotImplementedError

    def __del__(self) -> None:
        try:
            left_open = self._open
        except AttributeError:  # its constructor was called with the wrong arguments
            return
        if left_open:
            # Described first, because a closed object has nothing to say.
            text = f"{self!r} made at {self._made_at} was dropped without being closed"
            self._open = False
            kernel, leave, awaited = self._on_drop()
            if kernel is None or not kernel._is_begun():
                leave()
            else:
                kernel._hand_in(Handle(leave, (), Context(), dropped=leave))
            if awaited:
                warnings.warn(text, ResourceWarning, stacklevel=DROPPER, source=None)


class ReceivingOperation(QueuedOperation):
    """An operation that gets the next item, for a call or for ``async for``."""

    __slots__ = ("iterating",)

    #: Whether ``async for`` asks.
    iterating: bool

    def iterates(self) -> bool:
        """See `Operation.iterates`."""
        return self.iterating

    def ended(self, message: str) -> bool:
        """Fail because there are no more items."""
        return self.fail(StopAsyncIteration() if self.iterating else EndOfStream(message))


def limit_of(what: str, size: Any, least: int) -> int:
    """Return the largest number of items, as a C integer.

    Parameters:
        what: the call, for messages: ``"open_channel()"``.
        size: the user's argument.
        least: the smallest number that makes sense.

    Raises:
        TypeError, ValueError: the size is not a whole number from `least` up, nor infinity.
    """
    if isinstance(size, float) and size == inf:
        return sys.maxsize
    limit = min(size, sys.maxsize) if is_int(size) else size
    return check_int(what, "size (math.inf is no limit)", limit, least, "number of items")


def fill(length: int, size: float) -> str:
    """Describe how full a store is, for `repr`."""
    return f"{length} items" if size == inf else f"{length} of {size} items"
