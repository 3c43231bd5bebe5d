"""The figures that all programs of this folder share, so that they do the same work.

Each program has the same functions, written in its library's own idiom. All of them
use files the system has in its cache, as most files that are read often are.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PIECE = 4096
"""Bytes of one read of `read`, and of the file that `open_and_read` reads."""

CHUNK = 65536
"""Bytes of one step of `copy`."""

_folder = tempfile.TemporaryDirectory(prefix="file-benchmark-")


def _make(name: str, size: int) -> Path:
    path = Path(_folder.name, name)
    path.write_bytes(os.urandom(size))
    return path


LONG = _make("long", 2**23)
SHORT = _make("short", PIECE)
TARGET = Path(_folder.name, "target")
