"""Ctrl-C and the signals that stop a service.

A signal handler runs between any two instructions, so it must not touch the
loop's state. The first Ctrl-C therefore only asks the loop to cancel the main
task, and every `finally` runs. A second one does not wait: it is raised in
the user's code that is running, or, if that is the runtime's, between two steps.
A stop signal is gentler: the first one stops the main task softly, the second cancels it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any

from giambio._build.selection import in_main_interpreter, is_pure
from giambio.arguments import check_signal
from giambio.kernel.kernel import Kernel
from giambio.kernel.task import Task
from giambio.kernel.tracebacks import is_ours
from giambio.runtime.recovery import mend
from giambio.tasks.cancel import CancelScope

__all__ = ["Interrupts", "checked_signals", "user_code_runs"]


class Interrupts:
    """The signal handlers of one run of a loop."""

    #: For the deadlock detector: these handlers end the program, and resolve nothing.
    wakes_no_task = True

    def __init__(
        self, kernel: Kernel, main: Task, stop_signals: tuple[int, ...] = (), grace: float = 0.0
    ) -> None:
        self._kernel = kernel
        self._main = main
        # The task lets go of it in the end; it knows what it was cancelled for.
        self._scope: CancelScope = main._own_scope  # type: ignore[assignment]
        self._stop_signals = stop_signals
        self._grace = grace
        self._stop_reason: str | None = None
        self._previous: dict[int, Any] = {}
        self._previous_fd: int | None = None
        self.count = 0

    def install(self) -> None:
        """Install the handlers: only in the main thread, only over the default.

        Raises:
            RuntimeError: stop signals were asked for outside the main thread of the main
                interpreter.
        """
        if threading.current_thread() is not threading.main_thread() or not in_main_interpreter():
            if self._stop_signals:
                raise RuntimeError(
                    "stop_signals= works only in the main thread of the main interpreter"
                )
            return
        self._previous_fd = self._wake_kernel()
        self._kernel._wakeup.on_signals = self._on_signals
        try:
            ours = signal.SIGINT not in self._stop_signals
            if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._previous[signal.SIGINT] = signal.signal(signal.SIGINT, self._on_interrupt)
            for number in self._stop_signals:
                self._previous[number] = signal.signal(number, self._on_stop)
        except BaseException:
            self.restore()
            raise

    def _wake_kernel(self) -> int:
        """Have Python write to the loop's descriptor; return the one it has written to so far."""
        descriptor = self._kernel._wakeup.fileno()
        return signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)

    def listen(self) -> None:
        """Wake the loop by signals again, because somebody else has changed the descriptor."""
        if self._previous_fd is not None:
            self._wake_kernel()

    def restore(self) -> None:
        """Put everything back as it was."""
        for number, handler in self._previous.items():
            # None is a handler that is not Python's, and which Python cannot put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()
        self.release_wakeup()

    def release_wakeup(self) -> None:
        """Stop writing to the loop's descriptor, before it is closed and used again."""
        if self._previous_fd is not None:
            signal.set_wakeup_fd(self._previous_fd)
            self._previous_fd = None

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            self._kernel.call_soon_threadsafe(self._main.cancel, "Ctrl-C")
        elif user_code_runs(self._kernel, frame):
            self._kernel._torn = True
            raise KeyboardInterrupt
        else:
            self._kernel._stop_between_steps(KeyboardInterrupt())

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._kernel.call_soon_threadsafe(self._stop, signal.Signals(number).name)

    def _stop(self, reason: str) -> None:
        """Stop the main task, softly if it is the first time."""
        grace = self._grace if self._stop_reason is None else 0
        if self._scope.stop(grace=grace, reason=reason):
            self._stop_reason = reason

    def stopped(self, task: Task) -> bool:
        """Return whether a task was cancelled, and by a stop signal only."""
        reason = self._stop_reason
        return task.cancelled() and reason is not None and self._scope.reason is reason

    def _on_signals(self, numbers: set[int]) -> None:
        """Signals have come: what the handlers of the program may have interrupted is mended."""
        handlers = map(signal.getsignal, numbers)
        if not all(is_ours(getattr(handler, "__module__", None)) for handler in handlers):
            self._kernel._torn = True
            if is_pure():  # compiled code is not interrupted, only what it calls
                self._kernel.call_soon(mend, self._kernel)


def user_code_runs(kernel: Kernel, frame: FrameType | None) -> bool:
    """Return whether a step is under way, and none of our frames is at work in it.

    Parameters:
        kernel: the loop.
        frame: what runs, as a signal handler is told.
    """
    task = kernel._running
    if task is None:
        return False
    outermost = getattr(task._coro, "cr_frame", None)
    while frame is not None and not is_ours(frame.f_globals.get("__name__")):
        if frame is outermost:
            return True
        frame = frame.f_back
    # Compiled, the kernel has no frames: the stack ends at the user's call.
    return frame is None


def checked_signals(signals: Iterable[int]) -> tuple[int, ...]:
    """Return the stop signals of a run, each once.

    Raises:
        TypeError, ValueError: they are no iterable of signals that a program can handle.
    """
    if isinstance(signals, (str, bytes)) or not isinstance(signals, Iterable):
        raise TypeError(
            f"stop_signals= needs an iterable of signals, such as [signal.SIGTERM], not {signals!r}"
        )
    return tuple(dict.fromkeys(check_signal("stop_signals=", number) for number in signals))
