"""sniffio says `giambio` during each turn, in the thread that runs the loop.

sniffio provides for this: a library sets `sniffio.thread_local.name`. The kernel does so with
`giambio.kernel.current_library`; here the two become one object. Whoever is imported first has
it: if that is sniffio, others may hold its object, but no loop of ours has run. If it is
giambio, loops may be running in any thread, but nobody else has seen sniffio's.

Tested with sniffio 1.3.1.
"""

from __future__ import annotations

from types import ModuleType

from giambio.integrations.replacing import replace
from giambio.kernel import current_library

__all__ = ["adapt"]


def adapt(sniffio: ModuleType, just_loaded: bool) -> None:
    """Have sniffio and the kernel look at one name; see the module."""
    if not hasattr(sniffio, "thread_local"):
        return  # older than 1.3, which only knows a context variable
    if just_loaded:
        replace(sniffio, "thread_local", current_library.local)
    else:
        current_library.local = sniffio.thread_local
