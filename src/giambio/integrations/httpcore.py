"""httpcore knows asyncio, which it takes to mean AnyIO, and Trio; anything else it refuses.

`httpcore._synchronization.current_async_library()` asks sniffio and raises a `RuntimeError` when
the answer is neither. What it does after "asyncio" is all AnyIO's: streams, locks, time-outs. So
for the length of this question, and in a giambio task only, sniffio says `asyncio`.

Tested with the versions in `TESTED`; httpcore2 is httpcore, continued under another name.
"""

from __future__ import annotations

from types import ModuleType

from giambio.integrations.replacing import replace
from giambio.kernel import current_library

__all__ = ["SPOT", "TESTED", "adapt"]

TESTED = {"httpcore": "1.0.9", "httpcore2": "2.16.2"}

#: What is replaced in the module.
SPOT = "current_async_library"


def adapt(synchronization: ModuleType, just_loaded: bool) -> None:
    """Replace the function, here and in `_backends.auto`, which has imported it by name."""
    original = getattr(synchronization, SPOT, None)
    if original is None:
        return

    def current_async_library() -> str:
        if current_library.local.name != current_library.NAME:
            answer: str = original()
            return answer
        current_library.swap("asyncio")
        try:
            answer = original()
        finally:
            current_library.swap(current_library.NAME)
        return answer

    replace(synchronization, SPOT, current_async_library)
