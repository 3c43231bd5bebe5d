"""The signal handlers of an asyncio loop, beside those of giambio's run.

asyncio's own take the process's one wake-up descriptor away, and leave it at -1 when the last
handler is removed. Then the kernel would sleep through Ctrl-C.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["SignalHandlers"]


class SignalHandlers:
    """Signals of the process, each with a handle of asyncio's to run when it comes."""

    #: For the kernel: what these handlers do is done between steps.
    wakes_no_task = False

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._handles: dict[int, Any] = {}

    def add(self, number: int, handle: Any) -> None:
        """Run a handle when a signal comes.

        Raises:
            RuntimeError: the signal cannot be caught, or this is not the main thread.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signal handlers can be added in the main thread only")
        try:
            signal.signal(number, self._handle)
        except OSError as exc:
            raise RuntimeError(f"sig {number} cannot be caught") from exc
        self._handles[number] = handle
        signal.siginterrupt(number, False)

    def remove(self, number: int) -> bool:
        """Restore Python's default for a signal; return whether it had a handle."""
        if self._handles.pop(number, None) is None:
            return False
        default: Any = signal.SIG_DFL
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else default)
        return True

    def close(self) -> None:
        """Remove all."""
        for number in list(self._handles):
            self.remove(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        handle = self._handles.get(number)
        if handle is not None:
            self._loop.call_soon_threadsafe(handle._run)
