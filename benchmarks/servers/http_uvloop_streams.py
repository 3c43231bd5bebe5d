"""uvloop with asyncio streams: uvloop as most programs use it."""

from __future__ import annotations

from importlib.metadata import version

import uvloop

from _http_streams import main

uvloop.run(main(f"uvloop {version('uvloop')}"))
