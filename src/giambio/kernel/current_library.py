"""The name of the asynchronous library that runs in this thread, for libraries that ask.

A library for several event loops asks which one it runs on, and the answer belongs to the
thread: libraries may be nested, and each says its name for as long as it runs. The kernel says
its own here during each turn. The object that is asked may be another library's, put in place
of this one (`giambio.integrations.sniffio`).
"""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["NAME", "local", "swap"]

NAME = "giambio"


class _Local(threading.local):
    name: str | None = None


#: Where the name is kept: an attribute `name` for each thread.
local: Any = _Local()


def swap(name: str | None) -> str | None:
    """Set the name for this thread.

    Returns:
        The previous one, so that it can be restored.
    """
    previous: str | None = local.name
    local.name = name
    return previous
