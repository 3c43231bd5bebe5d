"""asyncio streams on asyncio's own event loop: what the standard library teaches."""

from __future__ import annotations

import asyncio

from _streams import main

asyncio.run(main("asyncio"))
