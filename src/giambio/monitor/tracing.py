"""The trace of a program, from outside: what the monitor does for it.

The program only records, and hands over what it has recorded. The tool makes the trace of it and
writes the file: with its user's rights, and in its own time.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from giambio.errors import RunFinishedError
from giambio.inspect.recorder import Recorder
from giambio.runtime.loop import EventLoop, running_loops

__all__ = ["Tracing"]

#: How many events an answer has. While it is made, the program's other threads do not run.
MOST_ANSWERED = 5_000


class Tracing:
    """What one `trace` records, in the program; it ends with its client."""

    def __init__(self) -> None:
        self._recorders: dict[EventLoop, Recorder] = {}

    def ask(self) -> list[dict[str, Any]]:
        """Return what has happened since the last time, for each loop."""
        for loop in running_loops():
            if loop not in self._recorders:
                recorder = self._recorders[loop] = Recorder(loop, Recorder.stop)
                call(loop, recorder.start)
        return [
            {
                "events": recorder.taken(MOST_ANSWERED),
                "more": len(recorder.events),
                "overflowed": recorder.overflowed,
            }
            for recorder in self._recorders.values()
        ]

    def end(self) -> None:
        """Stop recording."""
        for loop, recorder in self._recorders.items():
            call(loop, recorder.stop)


def call(loop: EventLoop, function: Any) -> None:
    """Call a function in a loop, unless that has ended."""
    with suppress(RunFinishedError):
        loop.call_soon_threadsafe(function)
