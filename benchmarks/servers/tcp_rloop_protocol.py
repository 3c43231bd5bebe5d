"""RLoop with `asyncio.Protocol` callbacks."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import rloop

from _protocol import main

with asyncio.Runner(loop_factory=rloop.new_event_loop) as runner:
    runner.run(main(f"RLoop {version('rloop')}"))
