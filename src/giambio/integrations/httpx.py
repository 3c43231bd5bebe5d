"""httpx's `ASGITransport` makes an `asyncio.Event` wherever Trio is not running.

An event of asyncio's works in no other loop. `httpx._transports.asgi.create_event()` makes it,
and our own `Event` has the methods that are used (`set`, `is_set`, `wait`). So in a giambio task,
and only there, it is giambio's.

Tested with the versions in `TESTED`; httpx2 is httpx, continued under another name.
"""

from __future__ import annotations

from collections.abc import Callable

from giambio.kernel import current_library
from giambio.sync.event import Event

__all__ = ["SPOT", "TESTED", "adapted"]

TESTED = {"httpx": "0.28.1", "httpx2": "2.16.2"}

#: The function that is replaced.
SPOT = "create_event"


def adapted(original: Callable[[], object], just_loaded: bool) -> Callable[[], object]:
    """See `finder.adapt`."""

    def create_event() -> object:
        return Event() if current_library.local.name == current_library.NAME else original()

    return create_event
