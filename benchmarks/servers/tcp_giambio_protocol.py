"""`asyncio.Protocol` callbacks on giambio's loop: uvloop's fastest way, with nothing changed."""

from __future__ import annotations

import giambio
import giambio.asyncio
from _protocol import main

giambio.asyncio.run(main(str(giambio.build_info())))
