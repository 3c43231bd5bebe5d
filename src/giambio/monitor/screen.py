"""The terminal, for a command that fills it until a key is pressed."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import sys
import termios
import time
import tty
from types import TracebackType
from typing import Self

__all__ = ["Screen"]

ENTER = "\x1b[?1049h\x1b[?25l"  # another screen, and no cursor
LEAVE = "\x1b[?25h\x1b[?1049l"
HOME = "\x1b[H"
TO_END_OF_LINE = "\x1b[K"
TO_END_OF_SCREEN = "\x1b[J"


class Screen:
    """The terminal, taken over: a screen of our own, and keys as they are pressed.

    Ctrl-Z gives it back, until the shell has us go on.
    """

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno()
        self._modes = termios.tcgetattr(self._terminal)
        # A handler might come while something is being printed, so it does nothing by itself: the
        # signal is read here.
        self._signals, self._told = socket.socketpair()
        self._signals.setblocking(False)
        self._told.setblocking(False)
        self._lines = ["looking ..."]

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTSTP, lambda number, frame: None)
        self._take()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._signals.close()
        self._told.close()

    def show(self, lines: list[str]) -> None:
        """Show these lines from now on."""
        self._lines = lines
        draw(lines)

    def quits(self, interval: float) -> bool:
        """Wait until the next look, and return whether the user wants no other."""
        until = time.monotonic() + interval
        while (rest := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._terminal, self._signals], [], [], rest)
            if self._signals in ready and signal.SIGTSTP in self._signals.recv(1024):
                self._stop()
            elif self._terminal in ready:
                # Not by `sys.stdin`, which would keep to itself what was typed after the first key.
                typed = os.read(self._terminal, 1024)
                if not typed or b"q" in typed.lower():
                    return True
        return False

    def _stop(self) -> None:
        """Stop, as Ctrl-Z does it with other programs; return when the shell has us go on."""
        self._give_back()
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, ours)
        self._take()

    def _take(self) -> None:
        tty.setcbreak(self._terminal)
        sys.stdout.write(ENTER)
        draw(self._lines)

    def _give_back(self) -> None:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._modes)


def draw(lines: list[str]) -> None:
    """Show lines on the screen, as many as it has."""
    shown = lines[: shutil.get_terminal_size().lines - 1]
    body = "".join(f"{line}{TO_END_OF_LINE}\n" for line in shown)
    sys.stdout.write(f"{HOME}{body}{TO_END_OF_SCREEN}")
    sys.stdout.flush()
