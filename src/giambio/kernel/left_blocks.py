"""Where a block stands that its task has left open: in an async generator, mostly.

A scope does not note where it was entered, which every one would pay for. But a block that is open
is held by the frame that has entered it, and the garbage collector knows who holds what.
"""

from __future__ import annotations

import gc
from types import AsyncGeneratorType, BuiltinMethodType, MethodType

__all__ = ["whose_block"]


def whose_block(block: object) -> str:
    """Return words about the async generator that has entered a block; "" if there is none."""
    held = gc.get_referrers(block)
    exits = [one for one in held if isinstance(one, MethodType | BuiltinMethodType)]
    if exits:  # the statement holds what it will call in the end
        held += gc.get_referrers(*exits)
    for one in held:
        if isinstance(one, AsyncGeneratorType) and one.ag_frame is not None:
            place = f"{one.ag_code.co_filename}:{one.ag_frame.f_lineno}"
            return (
                f" (entered in the async generator {one.__qualname__!r}, which is left at {place})"
            )
    return ""
