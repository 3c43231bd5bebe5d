"""The kernel that runs in this thread: the Python twin of `current.pyx`.

Every operation asks this once, so natively it is one C thread-local variable.
"""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["get", "swap"]


class _Local(threading.local):
    kernel: Any = None


_local = _Local()


def get() -> Any:
    """Return the kernel that runs in this thread, or None."""
    return _local.kernel


def swap(kernel: Any) -> Any:
    """Set the kernel of this thread.

    Returns:
        The previous one, so that it can be restored.
    """
    previous = _local.kernel
    _local.kernel = kernel
    return previous
