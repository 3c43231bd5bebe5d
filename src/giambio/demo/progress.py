"""Progress: a bar on a terminal, a few plain lines elsewhere.

A log file full of control characters helps nobody, nor does a silent terminal.
"""

from __future__ import annotations

from time import monotonic
from typing import TextIO

__all__ = ["Progress"]

WIDTH = 40
SECONDS_BETWEEN_FRAMES = 0.05
LINES = 4


class Progress:
    """The progress of one phase.

    Parameters:
        what: the unit, such as ``"open"``.
        total: the final count.
        stream: where to draw.
    """

    def __init__(self, what: str, total: int, stream: TextIO) -> None:
        self._what = what
        self._total = total
        self._stream = stream
        self._bar = stream.isatty()
        self._next_frame = 0.0
        self._next_line = total / LINES
        self._shown = -1

    def show(self, count: int) -> None:
        """Show a new count."""
        if self._bar:
            if monotonic() >= self._next_frame or count >= self._total:
                self._next_frame = monotonic() + SECONDS_BETWEEN_FRAMES
                self._draw(count)
        elif count >= self._next_line:
            self._next_line = (count * LINES // self._total + 1) * self._total / LINES
            self._write_line(count)

    def end(self, count: int) -> None:
        """End the phase, which may be early."""
        if self._bar:
            self._draw(count, "\n")
        elif count != self._shown:
            self._write_line(count)

    def _draw(self, count: int, end: str = "") -> None:
        filled = WIDTH * min(count, self._total) // self._total
        bar = "#" * filled + "." * (WIDTH - filled)
        text = f"\r  [{bar}] {count}/{self._total} {self._what}"
        print(text, end=end, file=self._stream, flush=True)

    def _write_line(self, count: int) -> None:
        self._shown = count
        print(f"  {count}/{self._total} {self._what}", file=self._stream, flush=True)
