"""``python -m giambio trace``: asks a program what it does, and makes a trace of the answers."""

from __future__ import annotations

import time
from typing import Any

from giambio.inspect.trace_events import LoopTrace, TraceFile
from giambio.monitor.client import Connection, LookError

__all__ = ["trace"]

#: How long to wait, in seconds, when the program has no more events.
PAUSE = 0.05


def trace(pid: int, path: str, seconds: float) -> int:
    """Write a trace of a program; return the number of events.

    Parameters:
        pid: the process.
        path: the file.
        seconds: how long to record. It ends with the program, and by Ctrl-C.

    Raises:
        LookError: the program cannot be asked, or has ended before anything was recorded; or the
            file cannot be written.
    """
    with Connection(pid) as connection:
        try:
            with open(path, "w", encoding="utf-8") as file:
                return record(connection, pid, TraceFile(file, time.monotonic()), seconds)
        except OSError as exc:
            raise LookError(f"{path} cannot be written: {exc.strerror}") from None


def record(connection: Connection, pid: int, file: TraceFile, seconds: float) -> int:
    """Write what the program tells until the time is over; return the number of events."""
    loops: list[LoopTrace] = []
    count = 0
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            answer = ask(connection, count)
            for number, told in enumerate(answer or ()):
                if number == len(loops):
                    loops.append(LoopTrace(file, number + 1, f"process {pid}, loop {number}"))
                loops[number].add(told["events"])
                count += len(told["events"])
                if told["overflowed"]:
                    raise LookError("the program does more than can be written down; it is cut off")
            if answer is None:
                break
            if not any(told["more"] for told in answer):
                time.sleep(PAUSE)
    except KeyboardInterrupt:
        pass  # what there is is enough
    finally:
        for loop in loops:
            loop.finish()
        file.finish()
    return count


def ask(connection: Connection, count: int) -> Any:
    """Return the next answer; None if the program has ended in the middle of the trace."""
    try:
        return connection.ask("trace")
    except LookError:
        if not count:
            raise
        return None
