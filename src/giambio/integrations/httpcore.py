"""httpcore knows asyncio, which it takes to mean AnyIO, and Trio; anything else it refuses.

`httpcore._synchronization.current_async_library()` asks sniffio and raises a `RuntimeError` when
the answer is neither. After "asyncio" it uses AnyIO only: streams, locks, timeouts. So
for the length of this question, and in a giambio task only, sniffio says `asyncio`.

Tested with the versions in `TESTED`; httpcore2 is httpcore, continued under another name.
"""

from __future__ import annotations

from collections.abc import Callable

from giambio.kernel import current_library

__all__ = ["SPOT", "TESTED", "adapted"]

TESTED = {"httpcore": "1.0.9", "httpcore2": "2.16.2"}

#: The function that is replaced; `_backends.auto` has imported it by name.
SPOT = "current_async_library"


def adapted(original: Callable[[], str], just_loaded: bool) -> Callable[[], str]:
    """See `finder.adapt`."""

    def current_async_library() -> str:
        if current_library.local.name != current_library.NAME:
            return original()
        current_library.swap("asyncio")
        try:
            return original()
        finally:
            current_library.swap(current_library.NAME)

    return current_async_library
