"""uvloop with `asyncio.Protocol` callbacks: its fastest way, and the one to beat."""

from __future__ import annotations

from importlib.metadata import version

import uvloop

from _protocol import main

uvloop.run(main(f"uvloop {version('uvloop')}"))
