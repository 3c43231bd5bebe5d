"""One class for a cancellation in both worlds.

asyncio's `TaskGroup`, `timeout` and many libraries recognise a cancellation by its class, and so do
giambio's users. So once asyncio is imported, scopes raise a class that is both, and giambio takes
asyncio's own for a cancellation, too.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from giambio import errors

__all__ = ["COMPARED_BY_IDENTITY", "unite"]

#: Before Python 3.13, asyncio compares the class by `is`. There a wait for an object of asyncio's
#: raises exactly `asyncio.CancelledError`.
COMPARED_BY_IDENTITY = sys.version_info < (3, 13)


class CancelledError(errors.CancelledError, asyncio.CancelledError):
    """What a cancelled scope raises while asyncio is imported."""

    def __reduce__(self) -> tuple[Any, ...]:
        return errors.CancelledError, (self.reason,)


# For tracebacks, which show the name that users know.
CancelledError.__module__ = errors.CancelledError.__module__


def unite() -> None:
    """Take asyncio's cancellations for such, and raise the class that is both."""
    errors.cancellations = (errors.CancelledError, asyncio.CancelledError)
    errors.raised_cancellation = CancelledError
