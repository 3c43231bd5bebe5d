"""Iteration over the lines of a file: what was read ahead takes no turn and no coroutine.

A large file consists of lines that are in memory already, but for one in some hundreds. Those are
handed out by an operation, as messages of a channel are; the others are read by the file.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from giambio.files.file_state import FileState
from giambio.kernel import constants
from giambio.kernel.free_list import FreeList
from giambio.kernel.operation import Operation
from giambio.kernel.trap import install_am_send

__all__ = ["Lines"]


class Lines:
    """The iterator of a file.

    Parameters:
        file: what it reads ahead from.
        read: an async function that reads a line, and raises `StopAsyncIteration` at the end.
    """

    __slots__ = ("_file", "_read")

    def __init__(self, file: FileState, read: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._file = file
        self._read = read

    def __aiter__(self) -> Lines:
        return self

    def __anext__(self) -> Operation[Any]:
        return new_next_line(self)


class NextLine(Operation):
    """Takes a line that was read ahead, or has the file read it."""

    __slots__ = ("_ahead", "_end", "_lines", "_reading", "_start")

    _lines: Lines
    #: What was read ahead when it was awaited, and from where to where the line is in there.
    _ahead: str | bytes | None
    _start: int
    _end: int
    #: The way through the coroutine that reads it, if there was none.
    _reading: Any
    what = "AsyncFile.__anext__()"

    def __await__(self) -> Any:
        if self._reading is not None:
            return self._reading
        if self.state != constants.FRESH:
            return Operation.__await__(self)
        # With some of the budget left, `attempt` follows before anybody else runs.
        if self._lines._file.kernel._budget > 0 and self._find():
            self.state = constants.AWAITED
            return self
        self.state = constants.DONE
        self._reading = self._lines._read().__await__()
        return self._reading

    def _find(self) -> bool:
        """Find the line in what was read ahead; False if it is not there, or the file is in use."""
        file = self._lines._file
        if file.closed or file.turns.current is not None:
            return False
        self._ahead = file.text if file.is_text else file.ahead
        self._start = file.used if file.is_text else file.at
        self._end = file.line_end()
        return self._end > 0

    def stands_alone(self) -> bool:
        """See `Trap.stands_alone`: how it is awaited depends on what was read ahead."""
        return False

    def iterates(self) -> bool:
        """See `Operation.iterates`."""
        return True

    def attempt(self) -> bool:
        """Take the line, which was there when the await began."""
        file = self._lines._file
        if not file.is_at(self._ahead, self._start) and not self._find():
            return self.fail(
                RuntimeError(
                    "the file was read or closed after the await of this line had begun; "
                    "await anext(file) at once, or use `async for`"
                )
            )
        self.result = file.take_line(self._end)
        return True


install_am_send(NextLine)  # because it has an `__await__` of its own


NEXT_LINES = FreeList(NextLine)


def new_next_line(lines: Lines) -> NextLine:
    """Make an operation that takes a line."""
    operation: Any = NEXT_LINES.take()
    operation.prepare(lines._file.kernel)
    operation._lines = lines
    operation._ahead = None
    operation._reading = None
    return operation  # type: ignore[no-any-return]
