"""asyncio's own event loop with a `DatagramProtocol`."""

from __future__ import annotations

import asyncio

from _datagrams import main

asyncio.run(main("asyncio"))
