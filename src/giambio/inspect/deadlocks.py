"""Deadlock detection: every task waits for another one, so none will ever go on.

The loop asks the detector when nothing has happened for a while and no timer is set. A
false alarm would kill a healthy program. So everything that might still wake a task
counts, also things that giambio cannot see but Python can: another thread, or a signal
handler of the program.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from itertools import islice

from giambio.errors import DeadlockError
from giambio.inspect.own_threads import own_threads
from giambio.inspect.task_tree import children_of, lines_of, tree_of
from giambio.kernel.kernel import Kernel
from giambio.threads.workers import idle_workers

__all__ = ["DeadlockDetector"]

#: The answer of `look` when only a new event can change the situation.
NOT_BEFORE_AN_EVENT = -1.0

#: A thread may end without notice. So when only threads rule out a deadlock, the detector
#: looks again: after these seconds at first, then ever less often.
FIRST_LOOK_AT_THREADS = 0.1
LAST_LOOK_AT_THREADS = 5.0

#: Seconds until the detector checks that raising in the main task has helped. That task may be
#: in a wait that cannot be interrupted, such as `TaskManager.start` of a shielded task.
SECOND_LOOK = 0.1


#: How many lines of the task tree an error shows of its beginning, and as many of its end.
LINES_SHOWN = 60
#: The characters that draw the tree.
BRANCHES = "│├└─ "


class DeadlockDetector:
    """Looks for a deadlock in one run of a loop, and raises `DeadlockError`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._raised = False
        self._threads_again = FIRST_LOOK_AT_THREADS

    def look(self) -> float:
        """See `Idle.watch_for_deadlock`."""
        kernel = self._kernel
        if kernel._external > 0 or any_waits_outside(kernel) or program_handles_signals():
            return NOT_BEFORE_AN_EVENT
        if other_threads_live():
            self._threads_again = min(2 * self._threads_again, LAST_LOOK_AT_THREADS)
            return self._threads_again
        gc.collect()  # a finalizer may close a channel, which wakes a task
        if kernel._has_work():
            return NOT_BEFORE_AN_EVENT
        self.raise_error()
        return SECOND_LOOK

    def raise_error(self) -> None:
        """Raise in the main task; if that did not help, out of the loop."""
        kernel = self._kernel
        main = kernel._main
        error = DeadlockError(
            "every task waits for another one, and nothing else can wake any of them:\n"
            f"{excerpt(lines_of(tree_of(kernel)))}\n"
            "(if something outside the loop will, wait inside `with giambio.external_wakeups():`)"
        )
        if self._raised or main is None or main.done():
            kernel._stop_between_steps(error)
        else:
            self._raised = True
            kernel._inject(main, error)


def excerpt(lines: Iterator[str]) -> str:
    """Return the beginning and the end of a task tree, if it is long.

    A thousand nested tasks would fill 4 MB, most of it the indentation of the inner ones. These
    are the ones that matter, so the end is shown without the indentation that all of it has.
    """
    begin = list(islice(lines, LINES_SHOWN))
    end: deque[str] = deque(maxlen=LINES_SHOWN)
    left_out = -LINES_SHOWN
    for line in lines:
        end.append(line)
        left_out += 1
    if left_out > 0:
        begin.append(f"... ({left_out} lines are left out here)")
        indentation = min(len(line) - len(line.lstrip(BRANCHES)) for line in end)
        end = deque(line[indentation:] for line in end)
    return "\n".join([*begin, *end])


def any_waits_outside(kernel: Kernel) -> bool:
    """Return whether a task waits for anything but another task."""
    tasks = list(kernel._roots())
    for task in tasks:
        if task._parked is None or not task._parked.internal:
            return True
        tasks.extend(children_of(task))
    return False


def other_threads_live() -> bool:
    """Return whether a thread may do something, besides this one and idle ones of giambio.

    The interpreter is asked, because `threading` does not know all threads.
    """
    return len(sys._current_frames()) - 1 - idle_workers() - len(own_threads) > 0


def program_handles_signals() -> bool:
    """Return whether the program has signal handlers of its own, which may wake a task."""
    if threading.current_thread() is not threading.main_thread():
        return False
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        ours = getattr(getattr(handler, "__self__", None), "wakes_no_task", False)
        if callable(handler) and handler is not signal.default_int_handler and not ours:
            return True
    return False
