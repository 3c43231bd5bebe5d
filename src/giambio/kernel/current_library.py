"""The name of the asynchronous library that runs in this thread, for those that ask.

A library for several event loops asks which one it runs on, and the answer belongs to the
thread: libraries may be nested, and each says its name for as long as it runs. The kernel says
its own here during each turn. It does not know who asks: that may be an object of somebody
else's, put in place of this one (`giambio.integrations.sniffio`).
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
    """Say another name in this thread.

    Returns:
        The one before, so that it can be restored.
    """
    previous: str | None = local.name
    local.name = name
    return previous
