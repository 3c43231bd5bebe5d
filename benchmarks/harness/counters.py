"""The memory the load generator counts into; see `struct counters` in loadgen.c."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

BUCKET_BITS = 5
BUCKETS = 64 << BUCKET_BITS
FIRST_BUCKET = 2
SIZE = 8 * (FIRST_BUCKET + BUCKETS)


class Counters:
    def __init__(self) -> None:
        self.descriptor = os.memfd_create("counters")
        os.ftruncate(self.descriptor, SIZE)
        self._words = memoryview(mmap.mmap(self.descriptor, SIZE)).cast("Q")

    @property
    def messages(self) -> int:
        """How many echoes came back whole."""
        return self._words[0]

    @property
    def answered(self) -> int:
        """How many connections have had their first echo."""
        return self._words[1]

    def times(self) -> list[int]:
        """How many echoes took how long: see `percentile`."""
        return self._words[FIRST_BUCKET:].tolist()

    def close(self) -> None:
        os.close(self.descriptor)


def percentile(part: float, before: Sequence[int], after: Sequence[int]) -> float:
    """How many seconds this part of the echoes between two readings took at most."""
    counts = [late - early for early, late in zip(before, after, strict=True)]
    left = part * sum(counts)
    for bucket, count in enumerate(counts):
        left -= count
        if count and left <= 0:
            return _nanoseconds(bucket) / 1e9
    raise ValueError("nothing was counted between the two readings")


def _nanoseconds(bucket: int) -> int:
    """Where a bucket begins."""
    shift = max(0, (bucket >> BUCKET_BITS) - 1)
    return (bucket - (shift << BUCKET_BITS)) << shift
