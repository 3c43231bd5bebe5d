"""httpx's `ASGITransport` makes an `asyncio.Event` wherever Trio is not running.

An event of asyncio's works in no other loop. `httpx._transports.asgi.create_event()` is where it
is made, and what is done with it (`set`, `is_set`, `wait`) our own `Event` does as well. So in a
giambio task, and only there, it is one of ours.

Tested with the versions in `TESTED`; httpx2 is httpx, continued under another name.
"""

from __future__ import annotations

from types import ModuleType

from giambio.integrations.replacing import replace
from giambio.kernel import current_library
from giambio.sync.event import Event

__all__ = ["SPOT", "TESTED", "adapt"]

TESTED = {"httpx": "0.28.1", "httpx2": "2.16.2"}

#: What is replaced in the module.
SPOT = "create_event"


def adapt(asgi: ModuleType, just_loaded: bool) -> None:
    """Replace the function."""
    original = getattr(asgi, SPOT, None)
    if original is None:
        return

    def create_event() -> object:
        return Event() if current_library.local.name == current_library.NAME else original()

    replace(asgi, SPOT, create_event)
