"""Who is compared: the libraries, and the ways to use one that are worth a row of their own.

A peer is a library, or a library and a way to use it, as in `uvloop-streams`.
"""

from __future__ import annotations

import importlib.util
import sys

GIAMBIO = "giambio"
GIAMBIO_PURE = "giambio-pure"
GIAMBIO_PROTOCOL = "giambio-protocol"
GIAMBIO_BUFFERED = "giambio-buffered"
GIAMBIO_STREAMS = "giambio-streams"
GIAMBIO_LOOP = "giambio-loop"
"""asyncio's programs on giambio's loop, like the three above."""
GIAMBIO_HOSTING = "giambio-hosting"
"""What is asyncio's, in a task of giambio's."""
C = "c"
BLOCKING = "blocking"
"""Plain Python, which waits for each call."""
EAGER = "asyncio-eager"
RLOOP = "rloop"
RLOOP_PROTOCOL = "rloop-protocol"
UVLOOP_PROTOCOL = "uvloop-protocol"
UVLOOP_BUFFERED = "uvloop-buffered"
UVLOOP_STREAMS = "uvloop-streams"
ASYNCIO_STREAMS = "asyncio-streams"
ASYNCIO_SOCKETS = "asyncio-sockets"

REQUIRES = {
    GIAMBIO: ("giambio",),
    C: (),
    BLOCKING: (),
    "asyncio": (),
    "uvloop": ("uvloop",),
    RLOOP: ("rloop",),
    "trio": ("trio",),
    "anyio": ("anyio", "uvloop"),
    "gevent": ("gevent",),
    "aiofiles": ("aiofiles", "uvloop"),
}
"""The packages that each library needs, by the names pip knows."""

SINCE = {EAGER: (3, 12)}
"""The oldest Python that has what a peer needs."""


ENVIRONMENT = {GIAMBIO_PURE: {"GIAMBIO_PURE": "1"}}
"""The variables that a peer's programs run with besides the usual ones."""


def library(peer: str) -> str:
    """The library behind a peer: `uvloop` behind `uvloop-streams`."""
    return peer.partition("-")[0]


def hindrance(peer: str) -> str:
    """Why this peer cannot be measured here; empty if it can."""
    oldest = SINCE.get(peer, (3,))
    if sys.version_info < oldest:
        return f"needs Python {'.'.join(map(str, oldest))}"
    missing = [name for name in REQUIRES[library(peer)] if importlib.util.find_spec(name) is None]
    return f"{', '.join(missing)} not installed" if missing else ""
