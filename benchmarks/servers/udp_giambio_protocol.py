"""giambio's loop with a `DatagramProtocol`."""

from __future__ import annotations

import giambio
import giambio.asyncio
from _datagrams import main

giambio.asyncio.run(main(str(giambio.build_info())))
