"""sniffio says `giambio` during each turn, in the thread that runs the loop.

sniffio provides for this: a library sets `sniffio.thread_local.name`. The kernel does so with
`giambio.kernel.current_library`; here the two become one object, that of the module which is
imported first. If sniffio is, others may hold its object, but no loop of ours has run. If giambio
is, loops may be running in any thread, but nobody else has seen sniffio's.

Tested with sniffio 1.3.1.
"""

from __future__ import annotations

from giambio.kernel import current_library

__all__ = ["SPOT", "adapted"]

#: The object that is replaced. Versions before 1.3 have none, and know only a context variable.
SPOT = "thread_local"


def adapted(original: object, just_loaded: bool) -> object:
    """See `finder.adapt`."""
    if not just_loaded:
        current_library.local = original
    return current_library.local
