"""HTTP on asyncio streams, on asyncio's own event loop."""

from __future__ import annotations

import asyncio

from _http_streams import main

asyncio.run(main("asyncio"))
