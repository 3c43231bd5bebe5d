"""asyncio streams on giambio's loop."""

from __future__ import annotations

import giambio
import giambio.asyncio
from _streams import main

giambio.asyncio.run(main(str(giambio.build_info())))
