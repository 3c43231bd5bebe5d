"""The two ends of a descriptor, which natively are C constants (`interest.pxd`)."""

from __future__ import annotations

from typing import Final

READING: Final = 1
WRITING: Final = 2
