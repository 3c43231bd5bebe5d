"""The figures that all programs of this folder share, so that they do the same work.

Each program has the same functions, written in its library's own idiom. All of them
use files the system has in its cache, as most files that are read often are.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PIECE = 4096
"""Bytes of one read of `read`, and of the file that `open_and_read` reads."""

CHUNK = 65536
"""Bytes of one step of `copy`."""

LINE = 80
"""Bytes of a line of the text, with its end; what people write is about as long."""

_folder = tempfile.TemporaryDirectory(prefix="file-benchmark-")


def _make(name: str, pieces: Iterable[bytes]) -> Path:
    path = Path(_folder.name, name)
    with path.open("wb") as file:
        file.writelines(pieces)
    return path


@cache
def text() -> Path:
    """50 MB of lines; made when it is first needed, because nobody else should wait for it."""
    line = b"x" * (LINE - 1) + b"\n"
    some = line * (1_000_000 // LINE)
    return _make("text", (some for _ in range(50)))


LONG = _make("long", [os.urandom(2**23)])
SHORT = _make("short", [os.urandom(PIECE)])
WHOLE = _make("whole", [os.urandom(2**20)])
TARGET = Path(_folder.name, "target")
