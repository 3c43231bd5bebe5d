"""A queue of operations that wait for the same thing, first come, first served.

The links are in the operations themselves. So waiting takes no memory, and an operation
that is cancelled leaves from any place at once, however long the queue is.
"""

from __future__ import annotations

from giambio._build.sealed import final
from giambio.kernel import constants
from giambio.kernel.operation import Operation

__all__ = ["QueuedOperation", "WaitQueue"]


class QueuedOperation(Operation):
    """An operation that can wait in a queue. Only another task ends its wait."""

    __slots__ = ("after", "before", "line")

    internal = True

    def prepare_queued(self) -> None:
        """See `Operation.prepare`; it may be awaited in any loop."""
        self.prepare(None)
        self.line: WaitQueue | None = None
        self.before: QueuedOperation | None = None
        self.after: QueuedOperation | None = None

    def fits(self, line: WaitQueue) -> bool:
        """Return whether this runs in the loop of the operations in a queue; if not, fail.

        Tasks of two loops cannot wait for the same thing, because the task that wakes them
        runs in one of the two.
        """
        first = line.first
        if first is None or first.kernel is self.kernel:
            return True
        return self.fail(
            RuntimeError(
                f"{self.what}: tasks of another loop wait for this object already; "
                "use each object in one loop"
            )
        )

    def wait_in(self, line: WaitQueue) -> bool:
        """Wait at the end of a queue, if that `fits`.

        Returns:
            False, so that `attempt` can return it.
        """
        if self.fits(line):
            line.append(self)
        return False

    def abort(self) -> bool:
        """See `Park.abort`: leave the queue."""
        if self.line is not None:
            self.line.remove(self)
        return True

    def close(self) -> None:
        """See `Operation.close`."""
        if self.state == constants.GRANTED:
            self.state = constants.DONE
            self.give_back()
        else:
            Operation.close(self)

    def give_back(self) -> None:
        """Undo a grant, because the task was closed before it could use the result."""


class WaitQueue:
    """Operations that wait, in the order in which they came."""

    __slots__ = ("first", "last", "length")

    def __init__(self) -> None:
        self.first: QueuedOperation | None = None
        self.last: QueuedOperation | None = None
        self.length = 0

    def append(self, operation: QueuedOperation) -> None:
        """Put an operation at the end."""
        operation.line = self
        operation.before = self.last
        operation.after = None
        if self.last is None:
            self.first = operation
        else:
            self.last.after = operation
        self.last = operation
        self.length += 1

    def remove(self, operation: QueuedOperation) -> None:
        """Take an operation out, from any place; harmless if it is not in this queue."""
        if operation.line is not self:
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
        operation.line = None
        operation.before = None
        operation.after = None
        self.length -= 1

    def pop(self) -> QueuedOperation | None:
        """Take the first operation out, if there is one."""
        first = self.first
        if first is not None:
            self.remove(first)
        return first

    def wake_all(self) -> None:
        """Make all of them try again, in their order, and leave the queue empty."""
        while True:
            first = self.pop()
            if first is None:
                return
            first._ready()


final(WaitQueue, "()")
