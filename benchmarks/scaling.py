"""Does a second loop, in a second thread, cost the first one anything?

    python3.14t benchmarks/scaling.py
    python3.14t benchmarks/scaling.py --gil /path/to/python3.14

Each thread runs a loop of its own, with the loops of the gate: tasks, checkpoints, channels,
echoes. What is compared is the work for each second of CPU time of the threads, which other
programs hardly change: two threads that pass memory to and fro do less of it. A GIL makes them
wait, but that takes no CPU time; so the time that passed is told, too. With `--gil` the same work
is done by another Python, which should be of the same version, built the same way.

The figures are the medians of the rounds, in which one thread, two threads and the other Python
take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import giambio
from gate import loops

#: The loops, and how often each is done before the next.
MIX: dict[Callable[[int], Coroutine[Any, Any, None]], int] = {
    loops.spawn: 200,
    loops.spawn_block: 200,
    loops.checkpoint: 400,
    loops.channel: 200,
    loops.lock: 200,
    loops.echo: 100,
    loops.echo_parked: 100,
}
WORK_SHOULD_BE = 0.95
SINGLE_SHOULD_BE = 0.9


class Worker(threading.Thread):
    """One loop in one thread, which does the work some times."""

    def __init__(self, times: int, begin: threading.Barrier) -> None:
        super().__init__()
        self.times = times
        self.begin = begin
        self.seconds = 0.0

    def run(self) -> None:
        """See `threading.Thread.run`."""
        giambio.run(self.work)

    async def work(self) -> None:
        """Warm up, wait for the others, and measure."""
        await mixture()
        self.begin.wait()
        before = time.thread_time()
        for _ in range(self.times):
            await mixture()
        self.seconds = time.thread_time() - before


async def mixture() -> None:
    """Do everything once."""
    for loop, times in MIX.items():
        await loop(times)


def measure(threads: int, times: int) -> tuple[float, float]:
    """Return the mixtures per second of CPU time, and per second that has passed."""
    begin = threading.Barrier(threads + 1)
    workers = [Worker(times, begin) for _ in range(threads)]
    for worker in workers:
        worker.start()
    begin.wait()
    before = time.monotonic()
    for worker in workers:
        worker.join()
    passed = time.monotonic() - before
    work = threads * times
    return work / sum(worker.seconds for worker in workers), work / passed


def measure_elsewhere(python: str, times: int) -> float:
    """Return the mixtures per second of CPU time of one thread, in another Python."""
    command = [python, __file__, "--rounds", "1", "--times", str(times), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["one"])


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--times", type=int, default=100, help="mixtures in each measurement")
    parser.add_argument("--gil", metavar="PYTHON", help="a Python to compare one thread with")
    parser.add_argument("--json", action="store_true", help="print one thread's figure only")
    options = parser.parse_args()
    if options.json:
        print(json.dumps({"one": measure(1, options.times)[0]}))
        return
    scaling, speedup, single = [], [], []
    for _ in range(options.rounds):
        one, one_passed = measure(1, options.times)
        two, two_passed = measure(2, options.times)
        scaling.append(two / one)
        speedup.append(two_passed / one_passed)
        if options.gil:
            # Both in a process of their own, one just after the other.
            own = measure_elsewhere(sys.executable, options.times)
            single.append(own / measure_elsewhere(options.gil, options.times))
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(giambio.build_info(), "with the GIL" if gil else "without the GIL")
    report("work per CPU second, 2 threads to 1", scaling, WORK_SHOULD_BE)
    report("work per second that passes, 2 threads to 1", speedup, None)
    if single:
        report("work per CPU second, 1 thread, to the other Python", single, SINGLE_SHOULD_BE)


def report(what: str, ratios: list[float], goal: float | None) -> None:
    """Print the median of some ratios, and how far they lie apart."""
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    aim = "" if goal is None else f", the goal is {goal}"
    print(f"{what}: {statistics.median(ratios):.3f} ({spread}){aim}")


if __name__ == "__main__":
    main()
