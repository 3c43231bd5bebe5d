"""The watchdog (``slow_step=``): logs a step that blocks the loop, while it does.

A step that computes or blocks stops all other tasks, and afterwards nothing shows where
it was. So a thread watches the loop, on request only, and looks at the frames of the
loop's thread while the step goes on.
"""

from __future__ import annotations

import sys
import threading
from time import monotonic
from typing import Any, Self

from giambio.inspect.own_threads import own_threads
from giambio.kernel.hooks import Hook
from giambio.kernel.kernel import Kernel
from giambio.kernel.tracebacks import user_frame
from giambio.threads.workers import daemons_allowed

__all__ = ["Watchdog"]


class Watchdog(Hook):
    """The watchdog of one run of a loop: it logs steps that take too long.

    Parameters:
        kernel: the loop; its thread is the one that makes this.
        seconds: how long a step may take.
    """

    def __init__(self, kernel: Kernel, seconds: float) -> None:
        self._kernel = kernel
        self._seconds = seconds
        self._loop_thread = threading.get_ident()
        # (the task's name, the time its step began), or None between two steps: replaced as a
        # whole, so that the other thread never sees half of it. The task is not for that thread.
        self._step: tuple[str, float] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name="giambio-watchdog", daemon=daemons_allowed()
        )

    def start(self) -> Self:
        """Start watching, and return itself."""
        self._thread.start()
        own_threads.add(self)
        self._kernel.add_hook(self)
        return self

    def stop(self) -> None:
        """Stop watching, and wait for the thread."""
        self._kernel.remove_hook(self)
        self._stopped.set()
        self._thread.join()
        own_threads.discard(self)

    def before_step(self, task: Any) -> None:
        """See `Hook.before_step`."""
        self._step = (task.name, monotonic())

    def after_step(self, task: Any) -> None:
        """See `Hook.after_step`."""
        self._step = None

    def _watch(self) -> None:
        logged = None
        while not self._stopped.wait(self._seconds / 2):
            step = self._step
            if step is not None and step is not logged and monotonic() - step[1] > self._seconds:
                logged = step
                self._log(*step)

    def _log(self, name: str, since: float) -> None:
        place = self._place()
        if self._step is None:
            return  # it has just ended, and the place is that of another step
        import logging

        logging.getLogger("giambio").warning(
            "task %r has held the loop for %.2f s without an await, at %s; "
            "nothing else can run meanwhile (giambio.to_thread is for what blocks)",
            name,
            monotonic() - since,
            place,
        )

    def _place(self) -> str:
        """Return the place of the loop's thread in the user's code."""
        frame = user_frame(sys._current_frames().get(self._loop_thread))
        if frame is None:
            return "an unknown place"
        return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
