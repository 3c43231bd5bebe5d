"""A queue of operations that wait for the same thing, first come first served.

The links are in the operations themselves, so waiting takes no memory, and a cancelled
operation leaves a queue of any length at once, wherever it stands.
"""

from __future__ import annotations

from typing import Any

from giambio._build.sealed import final
from giambio.kernel import constants
from giambio.kernel.operation import Operation

__all__ = ["QueuedOperation", "WaitQueue"]


class QueuedOperation(Operation):
    """An operation that can wait in a queue. Only another task ends its wait."""

    __slots__ = ("_subject", "after", "before", "queue")

    internal = True

    def __init__(self, subject: object) -> None:
        self.prepare_queued()
        self._subject: Any = subject

    def prepare_queued(self) -> None:
        """See `Operation.prepare`; it may be awaited in any loop.

        An operation that is made without the constructor sets `_subject`, or overrides `subject`.
        """
        self.prepare(None)
        self.queue: WaitQueue | None = None
        self.before: QueuedOperation | None = None
        self.after: QueuedOperation | None = None

    def fits(self, queue: WaitQueue) -> bool:
        """Whether this operation may wake, or wait with, those in a queue; if not, it fails.

        Tasks of two loops cannot wait for the same thing, because the task that wakes them
        runs in one of the two.
        """
        first = queue.first
        if first is None or first.kernel is self.kernel:
            return True
        return self.fail(
            RuntimeError(
                f"{self.what}: tasks of another loop wait for this object already; "
                "use each object in one loop"
            )
        )

    def wait_in(self, queue: WaitQueue) -> bool:
        """Wait at the end of a queue, if that `fits`.

        Returns:
            False, so that `attempt` can return it.
        """
        if self.fits(queue):
            queue.append(self)
        return False

    def abort(self) -> bool:
        """See `Park.abort`: leave the queue."""
        if self.queue is not None:
            self.queue.remove(self)
        return True

    def withdraw(self) -> None:
        """See `Operation.withdraw`."""
        if self.state == constants.GRANTED:
            self.state = constants.DONE
            self.give_back()
        else:
            Operation.withdraw(self)

    def give_back(self) -> None:
        """Undo a grant: the task was closed before it could use the result."""

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._subject


class WaitQueue:
    """Operations in the order in which they came."""

    __slots__ = ("first", "last", "length")

    def __init__(self) -> None:
        self.first: QueuedOperation | None = None
        self.last: QueuedOperation | None = None
        self.length = 0

    def append(self, operation: QueuedOperation) -> None:
        """Add an operation at the end, and remove it from any other place."""
        if operation.queue is not None:
            operation.queue.remove(operation)
        operation.queue = self
        operation.before = self.last
        operation.after = None
        if self.last is None:
            self.first = operation
        else:
            self.last.after = operation
        self.last = operation
        self.length += 1

    def remove(self, operation: QueuedOperation) -> None:
        """Remove an operation from any place; harmless if it is not in this queue."""
        if operation.queue is not self:
            return
        before = operation.before
        after = operation.after
        if before is None:
            self.first = after
        else:
            before.after = after
        if after is None:
            self.last = before
        else:
            after.before = before
        operation.queue = None
        operation.before = None
        operation.after = None
        self.length -= 1

    def pop(self) -> QueuedOperation | None:
        """Remove the first operation, and return it; None if there is none."""
        first = self.first
        if first is not None:
            self.remove(first)
        return first

    def grant_first(self, result: object) -> QueuedOperation | None:
        """Grant a result to the first operation whose task still waits, and remove that.

        Returns:
            The operation; None if there is none.
        """
        first = self.first
        while first is not None:
            self.remove(first)
            if first.grant(result):
                break
            first = self.first
        return first

    def wake_all(self) -> None:
        """Have all operations try again, in their order, and leave the queue empty."""
        while True:
            first = self.pop()
            if first is None:
                return
            first._ready()

    def check_thread(self, what: str) -> None:
        """See `Operation.check_thread`; all operations are of one loop."""
        if self.first is not None:
            self.first.check_thread(what)


final(WaitQueue, "()")
