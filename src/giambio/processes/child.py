"""A child process that is watched: its end is noticed, and it is reaped, once, here.

The system keeps an ended process (a zombie) until its parent
asks how it ended, and only then gives its number to another one. So all asking
and all signalling is done here, in the loop's thread: a signal never reaches a
stranger.

Where there are process descriptors (Linux 5.3 and later) the driver reports the end.
Elsewhere a timer looks for it now and then, as `subprocess` does itself. That
costs no thread, works for any number of children, and comes at most a twentieth
of a second late.

A child knows nothing of the loop's clock. So a virtual one stands still while a task
waits for a child, and how long a child has to end is real time.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from math import inf
from time import monotonic
from typing import Any

from giambio.drivers import interest
from giambio.drivers.driver import Driver
from giambio.kernel.callbacks import Callback, Handle
from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Wait, current_kernel
from giambio.streams.budget import spend_budget
from giambio.tasks.cancel import CancelScope

__all__ = ["Child", "at_work"]

#: Where there are no process descriptors: how soon to look for the end, and how often at last.
FIRST_LOOK = 0.001
LAST_LOOK = 0.05
#: A virtual clock's timers ask for so many seconds of quiet, again and again. The kernel tells
#: those that ask for the shortest time, so all ask for the same.
PART = 0.01


class Child:
    """A process that was started, until its end."""

    __slots__ = (
        "__weakref__",
        "_descriptor",
        "_kernel",
        "_looking",
        "_popen",
        "_returncode",
        "_waiting",
        "_watched_by",
        "at_end",
        "ended",
        "pid",
    )

    def __init__(self, kernel: Kernel, popen: subprocess.Popen[bytes]) -> None:
        self._kernel = kernel
        self._popen = popen
        self.pid = popen.pid
        self.ended = False
        # None for an ended process: its exit code was taken elsewhere.
        self._returncode: int | None = None
        # Notified as soon as it has ended: tasks, and a callback.
        self._waiting: list[Wait] = []
        self.at_end: Callable[[], object] | None = None
        self._descriptor = open_descriptor(popen.pid)
        # The driver that will report the end, or the timer for the next look.
        self._watched_by: Driver | None = None
        self._looking: RealTimer | None = None

    def __del__(self) -> None:
        self._close_descriptor()

    # -- how it ended --------------------------------------------------------------------

    def returncode(self) -> int | None:
        """The exit code, minus the number of the signal that killed it; None while it runs.

        Raises:
            ChildProcessError: it has ended, and the exit code is lost.
        """
        if self.reap() and self._returncode is None:
            raise ChildProcessError(
                f"how process {self.pid} ended is lost: somebody else has asked the system for "
                "it, such as a SIGCHLD handler that calls os.waitpid(-1, ...), or SIGCHLD is "
                "ignored; then the system throws it away"
            )
        return self._returncode

    def reap(self) -> bool:
        """Return whether it has ended, and reap it if so."""
        return self.ended or self._ask(wait=False)

    def _ask(self, wait: bool) -> bool:
        """Ask the system whether the process has ended; if so, reap it."""
        code: int | None
        if os.name != "posix":
            code = self._popen.wait() if wait else self._popen.poll()
            if code is None:
                return False
        else:
            try:
                pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
            except ChildProcessError:
                code = None
            else:
                if pid == 0:
                    return False
                code = os.waitstatus_to_exitcode(status)
        self._end(code)
        return True

    def _end(self, code: int | None) -> None:
        self.ended = True
        self._returncode = code
        # Only so that there is no warning.
        self._popen.returncode = 0 if code is None else code
        self._unwatch()
        self._close_descriptor()
        waiting = self._waiting
        self._waiting = []
        for wait in waiting:
            wait.wake()
        if self.at_end is not None:
            self.at_end()

    # -- waiting for it --------------------------------------------------------------------

    async def wait(self) -> None:
        """Wait for its end.

        A checkpoint. Cancelled, it runs on.
        """
        if current_kernel() is not self._kernel:
            raise RuntimeError(
                f"process {self.pid} was started in another loop than the one that runs this "
                "task; wait for it there"
            )
        await spend_budget()
        while not self.reap():
            wait = Wait(name="Process.wait()")
            self._waiting.append(wait)
            try:
                self.watch()
                with at_work(self._kernel):
                    await wait
            finally:
                if wait in self._waiting:
                    self._waiting.remove(wait)
            await checkpoint_if_cancelled()

    async def wait_at_most(self, seconds: float) -> None:
        """Wait for its end, but no longer than so many seconds.

        A checkpoint. Cancelled, it runs on.
        """
        with CancelScope() as scope:
            timer = RealTimer(self._kernel, seconds, scope.cancel)
            try:
                await self.wait()
            finally:
                timer.cancel()

    def watch(self) -> None:
        """Notice the end as soon as it comes, also when no task waits for it.

        Without process descriptors, only while a task or a callback waits for it.
        """
        driver = self._kernel._driver
        if driver is None or self._watched_by is driver:
            return
        if self._descriptor >= 0:
            driver.watch(self._descriptor, interest.READING, Callback(self._reported))
        elif self._somebody_wants_to_know():
            self._look_later(FIRST_LOOK)
        else:
            return
        self._watched_by = driver

    def _unwatch(self) -> None:
        driver = self._watched_by
        self._watched_by = None
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        elif driver is not None and driver is self._kernel._driver:
            driver.unwatch(self._descriptor, interest.READING)

    def _reported(self) -> None:
        """The driver says that it has ended."""
        self._watched_by = None
        if not self.reap():
            self.watch()

    def _look_later(self, pause: float) -> None:
        self._looking = RealTimer(self._kernel, pause, partial(self._look, pause))

    def _look(self, pause: float) -> None:
        """Without a driver that reports it: look for the end."""
        self._looking = None
        if self.reap():
            return
        if self._somebody_wants_to_know():
            self._look_later(min(2 * pause, LAST_LOOK))
        else:
            self._watched_by = None

    def _somebody_wants_to_know(self) -> bool:
        return bool(self._waiting) or self.at_end is not None

    def _close_descriptor(self) -> None:
        descriptor = self._descriptor
        self._descriptor = -1
        if descriptor >= 0:
            os.close(descriptor)

    # -- ending it -----------------------------------------------------------------------

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.reap():
            return
        with suppress(ProcessLookupError):  # reaped by somebody else just now
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, number)
            elif os.name == "posix":  # not by `Popen`, which would reap it
                os.kill(self.pid, number)
            else:
                self._popen.send_signal(number)

    def kill(self) -> None:
        """End it."""
        # Windows knows no SIGKILL; its SIGTERM does not ask either.
        self.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def forget(self) -> None:
        """In a forked child: it is the parent's."""
        self.ended = True
        self._popen.returncode = 0
        self._close_descriptor()

    def kill_and_reap(self) -> None:
        """Kill it and block until it has ended, for places where no task can wait."""
        self.kill()
        if not self.ended:
            self._ask(wait=True)


class RealTimer:
    """Calls a function once, after so many real seconds, whatever the loop's clock.

    A program knows nothing of a virtual clock, which jumps, or stands still while a task
    waits for the program. On an ordinary clock this is an ordinary timer.
    """

    __slots__ = ("_function", "_handle", "_kernel", "_until")

    def __init__(self, kernel: Kernel, seconds: float, function: Callable[[], object]) -> None:
        self._kernel = kernel
        self._function = function
        self._handle: Handle | None = None
        self._until = monotonic() + seconds
        if seconds == inf:
            return
        if kernel._idle.time_jumps():
            kernel._idle.add_waiter(PART, self)
        else:
            self._handle = kernel.call_later(seconds, function)

    def _ready(self) -> None:
        """The kernel says that nothing has happened for a while."""
        if monotonic() < self._until:
            self._kernel._idle.add_waiter(PART, self)
        else:
            self._function()

    def cancel(self) -> None:
        """Do not call it; harmless if it was called."""
        if self._handle is not None:
            self._handle.cancel()
        else:
            self._kernel._idle.remove_waiter(self)


@contextmanager
def at_work(kernel: Kernel) -> Iterator[None]:
    """A block in which a task waits for a process: virtual time stands still meanwhile."""
    kernel._idle.in_flight += 1
    try:
        yield
    finally:
        kernel._idle.in_flight -= 1


def open_descriptor(pid: int) -> int:
    """A descriptor that is readable when a process has ended; -1 where there is none."""
    opener: Any = getattr(os, "pidfd_open", None)
    if opener is None:
        return -1
    try:
        descriptor: int = opener(pid)
    except OSError:  # an old kernel, no room for descriptors, or it is gone already
        return -1
    return descriptor
