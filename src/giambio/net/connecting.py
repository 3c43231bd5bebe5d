"""Connecting: look the name up, then let the system connect.

It is a coroutine, because it is made of several operations, and interpreted,
because compiled coroutines cannot be seen into.
"""

from __future__ import annotations

from typing import Any

from giambio.kernel.checkpoints import checkpoint_if_cancelled, sleep
from giambio.net.address import HTTP_PORT, parse
from giambio.net.resolver import resolve

__all__ = ["connect", "connect_datagrams"]

#: How long to wait for room at the other end of a Unix socket, in seconds, where
#: the system does not tell when there is some.
RETRY = 0.01


async def connect(sock: Any, address: Any) -> None:
    """See `AsyncSocket.connect`."""
    await checkpoint_if_cancelled()
    family = sock.family
    target = await resolve(family, parse(family, address, HTTP_PORT))
    while not await sock.start_connecting(target):
        await sleep(RETRY)


async def connect_datagrams(sock: Any, address: Any) -> None:
    """See `AsyncDatagramSocket.connect`."""
    await checkpoint_if_cancelled()
    family = sock.family
    sock.connect_now(await resolve(family, parse(family, address)))
