"""A line of operations that wait for the same thing, first come first served.

The links are in the operations themselves. So to stand in line takes no memory,
and one that is cancelled leaves from anywhere in the line at once, however long
it is.
"""

from __future__ import annotations

from giambio._build.sealed import final
from giambio.kernel import constants
from giambio.kernel.operation import Operation

__all__ = ["QueuedOperation", "WaitQueue"]


class QueuedOperation(Operation):
    """An operation that can stand in a line. Only another task ends its wait."""

    __slots__ = ("after", "before", "line")

    internal = True

    def prepare_queued(self) -> None:
        """See `Operation.prepare`; it may be awaited in any loop."""
        self.prepare(None)
        self.line: WaitQueue | None = None
        self.before: QueuedOperation | None = None
        self.after: QueuedOperation | None = None

    def fits(self, line: WaitQueue) -> bool:
        """Tell whether this may have to do with those in a line; if not, fail.

        Tasks of two loops cannot wait for the same thing, because whoever wakes them runs
        in one of them.
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
        """Stand at the end of a line, if that `fits`.

        Returns:
            False, so that `attempt` can return it.
        """
        if self.fits(line):
            line.append(self)
        return False

    def abort(self) -> bool:
        """See `Park.abort`: leave the line."""
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
        """The task was closed before it could use what it had been granted: undo that."""


class WaitQueue:
    """Operations, the one that came first in front."""

    __slots__ = ("first", "last", "length")

    def __init__(self) -> None:
        self.first: QueuedOperation | None = None
        self.last: QueuedOperation | None = None
        self.length = 0

    def append(self, operation: QueuedOperation) -> None:
        """Stand at the end."""
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
        """Leave, from any place; harmless for one that is not in this line."""
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
        """Take the first one out, if there is one."""
        first = self.first
        if first is not None:
            self.remove(first)
        return first

    def wake_all(self) -> None:
        """Have all of them try again, in their order, and leave the line empty."""
        while True:
            first = self.pop()
            if first is None:
                return
            first._ready()


final(WaitQueue, "()")
