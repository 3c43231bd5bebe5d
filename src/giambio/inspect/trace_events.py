"""Traces in the format of Chrome's trace viewer, which Perfetto opens as well.

Each loop is a process of the trace, in which track 0 is the loop itself and each task has a track.
The file is a list in JSON, one event on a line, without a last bracket until it is complete: the
format allows that, so what a program has written until it crashed can be opened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from giambio.inspect.recorder import CALLBACK

__all__ = ["LoopTrace", "TraceFile"]

LOOP = 0
#: How many names are kept as they are written.
MOST_QUOTED = 10_000


class TraceFile:
    """A file with a trace.

    Parameters:
        file: where to write to.
        began: the time that is 0 in the trace.
    """

    def __init__(self, file: TextIO, began: float) -> None:
        self._file = file
        self.began = began
        self.flows = 0
        file.write("[\n")

    def write(self, lines: list[str]) -> None:
        """Write events, so that they are in the file whatever happens next."""
        if lines:
            self._file.write("".join(f"{line},\n" for line in lines))
            self._file.flush()

    def finish(self) -> None:
        """Complete the list."""
        self._file.write('{"ph":"M","name":"trace_complete","pid":0,"tid":0}\n]\n')
        self._file.flush()


class Track:
    """What is open on the track of a task."""

    __slots__ = ("exited", "last", "running", "scopes", "waiting", "woken")

    def __init__(self) -> None:
        # The scopes that it is in, the outermost first: their keys and labels.
        self.scopes: list[tuple[int, str]] = []
        self.waiting = False
        self.running = False
        # When and by whom it was woken, until it runs.
        self.woken: tuple[float, int] | None = None
        self.exited = False
        self.last = 0.0


class LoopTrace:
    """Makes the events of a trace of what a `Recorder` has recorded of one loop.

    Parameters:
        trace: the file.
        process: the loop's number in the trace, from 1 up.
        name: the loop's name.
    """

    def __init__(self, trace: TraceFile, process: int, name: str) -> None:
        self._trace = trace
        self._process = process
        self._lines: list[str] = []
        self._tracks: dict[int, Track] = {}
        self._counted: dict[str, float] = {}
        self._now = trace.began
        self._began = trace.began
        # The names in JSON, and the writers by the letters of what was recorded.
        self._quoted: dict[str, str] = {}
        kinds = ("task", "woken", "exit", "step", "enter", "leave", "call", "turn", "length")
        self._writers: dict[str, Callable[..., None]] = {
            kind: getattr(self, f"_{kind}") for kind in kinds
        }
        self._name("process_name", LOOP, name)
        self._name("thread_name", LOOP, "loop")
        self._write_lines()

    def add(self, recorded: Iterable[Any]) -> None:
        """Write what was recorded."""
        write = self._writers
        for kind, *values in recorded:
            write[kind](*values)
        self._write_lines()

    def finish(self) -> None:
        """End what is open; before the trace is finished."""
        for number, track in self._tracks.items():
            self._close(track, number, max(track.last, self._now))
        self._write_lines()

    # -- what was recorded ---------------------------------------------------------------------

    def _task(self, time: float, number: int, name: str, cause: int | None) -> None:
        track = self._tracks[number] = Track()
        self._name("thread_name", number, f"{name} ({number})")
        if cause is not None:
            track.woken = (time, cause)

    def _woken(self, time: float, number: int, cause: int) -> None:
        self._track(number).woken = (time, cause)

    def _exit(self, time: float, number: int) -> None:
        self._track(number).exited = True

    def _step(
        self, began: float | None, ended: float, number: int, what: str | None, on: str | None
    ) -> None:
        track = self._track(number)
        if track.running:
            self._event("E", number, ended)
            track.running = False
        elif began is not None:
            self._end_wait(track, number, began)
            micros = (ended - began) * 1e6
            self._event("X", number, began, f',"name":"running","dur":{micros:.3f}')
            if track.woken is not None:
                self._arrow(track, number, began)
        track.last = self._now = ended
        if track.exited:
            self._close(track, number, ended)
            del self._tracks[number]
        elif what is not None:
            about = "" if on is None else f',"args":{{"on":{self._quote(on)}}}'
            self._event("B", number, ended, f',"name":{self._quote("waits: " + what)}{about}')
            track.waiting = True

    def _enter(self, time: float, number: int, began: float, scope: int, label: str) -> None:
        track = self._track(number)
        self._split(track, number, began, time)
        track.scopes.append((scope, label))
        self._begin(number, time, label)
        self._begin(number, time, "running")

    def _leave(self, time: float, number: int, began: float, scope: int) -> None:
        track = self._track(number)
        keys = [key for key, _ in track.scopes]
        if scope not in keys:
            return  # it was entered before the trace began
        self._split(track, number, began, time)
        inner = track.scopes[keys.index(scope) + 1 :]
        for _ in range(len(inner) + 1):
            self._event("E", number, time)
        del track.scopes[keys.index(scope)]
        for _, label in inner:  # those go on, and slices must nest
            self._begin(number, time, label)
        self._begin(number, time, "running")

    def _call(self, began: float, ended: float, name: str) -> None:
        micros = (ended - began) * 1e6
        self._event("X", LOOP, began, f',"name":{self._quote(name)},"dur":{micros:.3f}')

    def _turn(self, began: float, ended: float, ready: int) -> None:
        micros = (ended - began) * 1e6
        self._event("X", LOOP, began, f',"name":"turn","dur":{micros:.3f}')
        self._count("ready", ended, ready)
        self._count("lag in ms", ended, round(micros / 1e3))
        self._now = ended

    def _length(self, time: float, label: str, items: int) -> None:
        self._count(f"items in {label}", time, items)

    # -- the format ------------------------------------------------------------------------------

    def _track(self, number: int) -> Track:
        track = self._tracks.get(number)
        if track is None:
            track = self._tracks[number] = Track()
        return track

    def _quote(self, name: str) -> str:
        """Return a name in JSON."""
        quoted = self._quoted.get(name)
        if quoted is None:
            if len(self._quoted) >= MOST_QUOTED:
                self._quoted.clear()
            quoted = self._quoted[name] = json.dumps(name)
        return quoted

    def _write_lines(self) -> None:
        self._trace.write(self._lines)
        self._lines.clear()

    def _event(self, phase: str, track: int, time: float, more: str = "") -> None:
        micros = (time - self._began) * 1e6
        self._lines.append(
            f'{{"ph":"{phase}","pid":{self._process},"tid":{track},"ts":{micros:.3f}{more}}}'
        )

    def _begin(self, number: int, time: float, name: str) -> None:
        self._event("B", number, time, f',"name":{self._quote(name)}')

    def _name(self, what: str, track: int, name: str) -> None:
        self._event("M", track, self._now, f',"name":"{what}","args":{{"name":{json.dumps(name)}}}')

    def _count(self, name: str, time: float, value: float) -> None:
        """Write a counter if it has changed."""
        if self._counted.get(name) != value:
            self._counted[name] = value
            named = f'"name":{self._quote(name)},"args":{{"value":{value}}}'
            self._event("C", LOOP, time, f",{named}")

    def _split(self, track: Track, number: int, began: float, time: float) -> None:
        """End the slice of a step in the middle, so that a scope begins or ends between two."""
        if not track.running:
            self._end_wait(track, number, began)
            self._begin(number, began, "running")
            self._arrow(track, number, began)
            track.running = True
        self._event("E", number, time)
        track.last = time

    def _end_wait(self, track: Track, number: int, time: float) -> None:
        if track.waiting:
            self._event("E", number, time)
            track.waiting = False

    def _arrow(self, track: Track, number: int, began: float) -> None:
        """Draw an arrow from who has woken a task; both its ends are written at once."""
        if track.woken is None:
            return
        time, cause = track.woken
        track.woken = None
        self._trace.flows += 1
        flow = f',"name":"wakes","cat":"wake","id":{self._trace.flows}'
        self._event("s", LOOP if cause == CALLBACK else cause, time, flow)
        self._event("f", number, began, f'{flow},"bp":"e"')

    def _close(self, track: Track, number: int, time: float) -> None:
        """End all that is open on a track."""
        for _ in range(track.running + track.waiting + len(track.scopes)):
            self._event("E", number, time)
        track.running = track.waiting = False
        track.scopes.clear()
