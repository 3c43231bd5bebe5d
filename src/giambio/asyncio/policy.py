"""The event loop policy: how programs for Python 3.13 and older choose a loop for all of asyncio.

Python 3.14 warns about policies, and 3.16 has none: `asyncio.run(main(), loop_factory=EventLoop)`
is what remains.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

from giambio.asyncio.event_loop import EventLoop

__all__ = ["EventLoopPolicy", "install"]

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    DefaultPolicy: Any = getattr(asyncio, "DefaultEventLoopPolicy", object)


class EventLoopPolicy(DefaultPolicy):  # type: ignore[misc]
    """An asyncio event loop policy whose loops are giambio's.

    Example:
        >>> import giambio.asyncio
        >>> giambio.asyncio.EventLoopPolicy().new_event_loop().close()
    """

    _loop_factory = EventLoop


def install() -> None:
    """Have all of asyncio use giambio's loops, by its policy.

    Raises:
        RuntimeError: this Python has no policies any more.

    Example:
        >>> import giambio.asyncio
        >>> giambio.asyncio.install()  # doctest: +SKIP
    """
    if DefaultPolicy is object:
        raise RuntimeError(
            "this Python has no event loop policies; use "
            "asyncio.run(main(), loop_factory=giambio.asyncio.EventLoop)"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(EventLoopPolicy())
