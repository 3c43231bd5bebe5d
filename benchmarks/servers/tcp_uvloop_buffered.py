"""`asyncio.BufferedProtocol` on uvloop."""

from __future__ import annotations

from importlib.metadata import version

import uvloop

from _protocol import Buffered, main

uvloop.run(main(f"uvloop {version('uvloop')}", Buffered))
