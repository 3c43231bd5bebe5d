"""What is asyncio's, used in a task of giambio's."""

from __future__ import annotations

import giambio
from tasks.asyncio_ import future

__all__ = ["DESCRIPTION", "future", "run"]

DESCRIPTION = str(giambio.build_info())
run = giambio.run
