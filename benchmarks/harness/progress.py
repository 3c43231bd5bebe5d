"""Tells a waiting person what is going on: one line that changes, or many lines."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO


class Progress:
    """On a terminal a single line is rewritten; in a pipe or file each step is a line."""

    def __init__(self, steps: int, stream: TextIO = sys.stderr) -> None:
        self._steps = steps
        self._stream = stream
        self._live = stream.isatty()
        self._finished = 0
        self._last = ""
        self._started = time.monotonic()

    def begin(self, label: str) -> None:
        if self._live:
            self._rewrite(f"{self._position(1)} {label}{self._remaining()}{self._last}")

    def done(self, label: str, outcome: str) -> None:
        self._finished += 1
        self._last = f"; before: {outcome}"
        if not self._live:
            print(f"{self._position(0)} {label}: {outcome}", file=self._stream, flush=True)

    def finish(self) -> None:
        if self._live:
            self._rewrite("")

    def _position(self, ahead: int) -> str:
        return f"[{self._finished + ahead}/{self._steps}]"

    def _remaining(self) -> str:
        if not self._finished:
            return ""
        per_step = (time.monotonic() - self._started) / self._finished
        return f", {per_step * (self._steps - self._finished):.0f} s left"

    def _rewrite(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{text[:width]}")
        self._stream.flush()
