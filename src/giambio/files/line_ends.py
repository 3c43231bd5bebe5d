"""Where a line ends: the Python twin of `line_ends.pyx`.

Asked for each line of a file, so natively it is no call of a method with numbers made for it.
"""

from __future__ import annotations

__all__ = ["line_end"]


def line_end(data: str | bytes, start: int) -> int:
    """Return where the line ends in which `start` is, with its newline; 0 if there is none."""
    return (data.find("\n", start) if isinstance(data, str) else data.find(b"\n", start)) + 1
