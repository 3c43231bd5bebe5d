"""What a loop does, noted as it happens: the raw material of a trace.

A hook is called many times per request, so it only puts a small tuple into a queue. Whoever takes
them from there may be in another thread, or another process, and makes a trace of them: see
`trace_events`. Each begins with a letter:

- ``("task", time, id, name, cause)``: a task was spawned, or was there when the recording began;
- ``("step", began, ended, id, what, on)``: a task has run; `what` it waits for, or None. Of what
  was there when the recording began, nobody knows when it ran: `began` is None;
- ``("woken", time, id, cause)``, ``("exit", time, id)``;
- ``("enter", time, id, began, scope, label)``, ``("leave", time, id, began, scope)``: in a step
  that has begun at `began`;
- ``("call", began, ended, name)``: a callback;
- ``("turn", began, ended, ready)``: the loop has run what was ready, and so many items are next;
- ``("length", time, label, items)``: of a queue.

Times are seconds of `time.monotonic`. A cause is a task's number, or 0 for a callback.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from giambio.inspect.task_tree import family_of, shown
from giambio.kernel.hooks import Hook
from giambio.kernel.kernel import Kernel
from giambio.kernel.run_queue import BaseTask

__all__ = ["CALLBACK", "Recorder"]

#: The cause that is no task.
CALLBACK = 0

#: How many events wait to be taken, at the most; see `overflow`.
MOST_EVENTS = 200_000

#: How many queues have their lengths recorded.
MOST_QUEUES = 20


class Recorder(Hook):
    """Records what one loop does.

    Parameters:
        kernel: the loop.
        overflow: called in the loop's thread when there are too many events.
    """

    def __init__(self, kernel: Kernel, overflow: Callable[[Recorder], None]) -> None:
        self._kernel = kernel
        self._overflow = overflow
        # Appending to it and taking from it are atomic, so they may be in different threads.
        self.events: deque[tuple[Any, ...]] = deque()
        self._note = self.events.append
        self._began = self._turn_began = monotonic()
        # The task whose step is under way; when it ends, it wakes who joins it.
        self._stepped: int | None = None
        self._recording = False
        #: Whether there were ever too many events.
        self.overflowed = False
        self._labels: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._numbers: dict[str, int] = {}
        self._lengths: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def start(self) -> None:
        """Begin; in the loop's own thread."""
        now = self._began = self._turn_began = monotonic()
        for task in family_of(self._kernel):
            self._note(("task", now, task.id, task.name, None))
            if task is not self._kernel._running:
                self._note_step(task, None, now)
        self._kernel.add_hook(self)
        self._recording = True

    def stop(self) -> None:
        """End; harmless if it has ended."""
        if self._recording:
            self._recording = False
            running: BaseTask | None = self._kernel._running
            if running is not None:
                self._note_step(running, self._began, monotonic())
            self._kernel.remove_hook(self)

    def taken(self, most: int = MOST_EVENTS) -> list[tuple[Any, ...]]:
        """Take the oldest events; from any thread, one at a time."""
        return [self.events.popleft() for _ in range(min(most, len(self.events)))]

    # -- what the loop tells -------------------------------------------------------------------

    def spawned(self, task: Any, by: Any) -> None:
        """See `Hook.spawned`."""
        self._note(("task", monotonic(), task.id, task.name, cause_of(by)))

    def before_step(self, task: Any) -> None:
        """See `Hook.before_step`."""
        self._stepped = task.id
        self._began = monotonic()

    def after_step(self, task: Any) -> None:
        """See `Hook.after_step`."""
        self._note_step(task, self._began, monotonic())
        self._stepped = None

    def woken(self, task: Any, by: Any) -> None:
        """See `Hook.woken`."""
        cause = self._stepped if by is None else cause_of(by)
        if cause is not None:
            self._note(("woken", monotonic(), task.id, cause))

    def exited(self, task: Any) -> None:
        """See `Hook.exited`."""
        self._note(("exit", monotonic(), task.id))

    def scope_entered(self, task: Any, scope: Any) -> None:
        """See `Hook.scope_entered`."""
        now = monotonic()
        label = "shielded scope" if scope.shield else "scope"
        if scope.deadline != inf:
            label += f" of {scope.deadline - self._kernel.current_time():.3f} s"
        self._note(("enter", now, task.id, self._began, id(scope), label))

    def scope_left(self, task: Any, scope: Any) -> None:
        """See `Hook.scope_left`."""
        self._note(("leave", monotonic(), task.id, self._began, id(scope)))

    def callback_run(self, callback: Any, began: float) -> None:
        """See `Hook.callback_run`."""
        self._note(("call", began, monotonic(), name_of(callback)))

    def turn_began(self) -> None:
        """See `Hook.turn_began`."""
        self._turn_began = monotonic()

    def turn_ended(self) -> None:
        """See `Hook.turn_ended`."""
        now = monotonic()
        self._note(("turn", self._turn_began, now, self._kernel._queue.length))
        if self._lengths:
            self._note_lengths(now)
        if len(self.events) > MOST_EVENTS:
            self.overflowed = True
            self._overflow(self)

    # -- inside ----------------------------------------------------------------------------------

    def _note_step(self, task: Any, began: float | None, now: float) -> None:
        """Note that a task has run, and what it waits for."""
        park = task._parked
        if park is None:
            self._note(("step", began, now, task.id, None, None))
        else:
            subject = park.subject()
            what = getattr(park, "what", None) or type(subject).__name__  # as of a future
            label = None if subject is None else self._label(subject)
            self._note(("step", began, now, task.id, what, label))

    def _label(self, subject: Any) -> str:
        """Name an object; the same one always the same, and without asking it again."""
        try:
            return self._labels[subject]
        except KeyError:
            pass
        except TypeError:  # it cannot be kept in a dictionary
            return shown(subject)
        label = self._labels[subject] = self._new_label(subject)
        return label

    def _new_label(self, subject: Any) -> str:
        kind = type(subject).__name__
        if hasattr(subject, "qsize") and len(self._lengths) < MOST_QUEUES:
            self._lengths[subject] = -1
        elif not hasattr(subject, "statistics"):
            return shown(subject)  # of a socket, for one: it has a name of its own
        number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return f"{kind} {number}"

    def _note_lengths(self, now: float) -> None:
        """Note the lengths of queues that have changed."""
        for queue, before in list(self._lengths.items()):
            items = queue.qsize()
            if items != before:
                self._lengths[queue] = items
                self._note(("length", now, self._labels[queue], items))


def cause_of(by: Any) -> int | None:
    """Return the number of who did something."""
    if by is None:
        return None
    return by.id if isinstance(by, BaseTask) else CALLBACK  # type: ignore[attr-defined]


def name_of(callback: Any) -> str:
    """Return the name of a callback's function."""
    function = getattr(callback, "_callback", callback)
    return getattr(function, "__qualname__", None) or type(function).__name__
