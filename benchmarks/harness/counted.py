"""Runs functions of programs so that callgrind can tell what an operation of theirs costs.

usage: python -m harness.counted MODULE FUNCTION COUNT [FUNCTION COUNT]...

Each function runs once to warm up, then with COUNT operations, then with twice as many; what
it costs to begin and to end is in both, so the difference is that of COUNT operations. Marks
are set before and after each; see `harness/callgrind.py`.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module

from harness.callgrind import mark

PARTS = 3
"""Marked parts for each function: its warm-up and whatever was before, once, and twice."""


def main() -> None:
    program = import_module(sys.argv[1])
    for name, count in zip(sys.argv[2::2], map(int, sys.argv[3::2]), strict=True):
        function = getattr(program, name)
        program.run(function, count)
        for operations in (count, 2 * count):
            # What lives by now is none of the garbage collector's business, so that it
            # does not matter what ran before.
            gc.collect()
            gc.freeze()
            mark()
            program.run(function, operations)
        mark()


if __name__ == "__main__":
    main()
