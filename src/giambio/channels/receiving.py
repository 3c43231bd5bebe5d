"""ReceivingOperation the next item, by a call or by ``async for``.

The two differ in how they learn of the end: an `EndOfStream`, or the
`StopAsyncIteration` that ends the loop.

`anext(iterator, default)` needs more than an ``await`` does. It asks for the
iterator behind the awaitable at every step, and it wants to throw into it,
where operations have no `throw` on purpose (see `Operation`). It gets a `Driven`.
"""

from __future__ import annotations

from typing import Any

from giambio.errors import EndOfStream
from giambio.kernel import constants, current
from giambio.kernel.operation import Operation
from giambio.kernel.wait_queue import QueuedOperation

__all__ = ["ReceivingOperation"]


class ReceivingOperation(QueuedOperation):
    """One task's attempt to get the next item."""

    __slots__ = ("iterating",)

    def prepare_taking(self, iterating: bool) -> None:
        """See `Operation.prepare`; `iterating` says that ``async for`` asks."""
        self.prepare_queued()
        self.iterating = iterating

    def __await__(self) -> Any:
        if self.state == constants.FRESH:
            self.state = constants.AWAITED
            return self
        if self.iterating:
            return Driven(self)
        return Operation.__await__(self)  # it explains what is wrong

    def ended(self, message: str) -> bool:
        """There are no more items: fail in the way that the caller understands."""
        return self.fail(StopAsyncIteration() if self.iterating else EndOfStream(message))

    def goes_on_here(self) -> bool:
        """Tell whether the task that runs is the one that has begun to wait."""
        kernel = current.get()
        return kernel is not None and self.task is kernel._running and self.state != constants.DONE


class Driven:
    """A `ReceivingOperation` under way, for Python's own `anext` with a default."""

    __slots__ = ("_taking",)

    def __init__(self, taking: ReceivingOperation) -> None:
        self._taking = taking

    def __iter__(self) -> Driven:
        return self

    def __next__(self) -> Any:
        if not self._taking.goes_on_here():
            raise RuntimeError(
                f"this {self._taking.what} was awaited already; an operation can be awaited "
                "once, call it again to do it again"
            )
        return self._taking.__next__()

    def send(self, value: object) -> Any:
        """Go on."""
        return self.__next__()

    def throw(self, exc: Any, value: Any = None, traceback: Any = None) -> None:
        """Raise what the kernel throws; the operation has withdrawn already."""
        raise exc if value is None else value

    def close(self) -> None:
        """The coroutine is closed."""
        self._taking.close()
