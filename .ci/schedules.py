"""The test suite under one random schedule after the other: `python .ci/schedules.py`.

Without a seed tasks run in turn, so a test sees one of many possible orders. Here each run of
the suite has a `GIAMBIO_SEED` of its own, and it ends at the first one under which a test fails:
that is a bug of the runtime, or a test that is about a certain order and does not say so (with
the fixture `in_turn`). What is to run can be given as for pytest, after the seeds:

    python .ci/schedules.py 1-20 tests/tasks/test_spawn.py -k limit
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

USAGE = "usage: python .ci/schedules.py [FIRST-LAST] [what pytest takes]"


def seeds_of(text: str) -> range | None:
    """The seeds that an argument such as 1-20 means; None if it means something else."""
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        return None
    return range(int(first), int(last) + 1)


def main(arguments: list[str]) -> int:
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    given = seeds_of(arguments[0]) if arguments else None
    seeds = range(1, 21) if given is None else given
    tests = arguments if given is None else arguments[1:]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not builds"]
    for passed, seed in enumerate(seeds):
        begin = time.monotonic()
        variables = os.environ | {"GIAMBIO_SEED": str(seed), "GIAMBIO_TEST_SEED": str(seed)}
        if subprocess.run([*command, *tests], env=variables).returncode:
            print(f"\n== GIAMBIO_SEED={seed} failed, after {passed} that passed")
            return 1
        print(f"== GIAMBIO_SEED={seed} passed, in {time.monotonic() - begin:.0f} s", flush=True)
    print(f"\n== {len(seeds)} schedules in a row passed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
