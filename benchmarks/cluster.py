"""What do the guarantees of `ClusterManager` cost, beside bare Dask?

    python benchmarks/cluster.py
    python benchmarks/cluster.py --calls 100 --rounds 3

The same calls run on the same local cluster (two workers of one thread each), as many under way at
a time: functions that sleep for 10 ms, and functions that do nothing. The figures are the medians
of the rounds, in which both take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

import giambio

UNDER_WAY = 4
RATIO_SHOULD_BE = 1.2


def nap(seconds: float) -> None:
    """What a worker does."""
    if seconds:
        time.sleep(seconds)


async def with_giambio(address: str, calls: int, seconds: float) -> float:
    """Return how long the calls took."""
    async with giambio.ClusterManager(address, limit=UNDER_WAY) as cluster:
        await cluster.map_concurrent(nap, [0.0] * UNDER_WAY)
        begin = time.monotonic()
        await cluster.map_concurrent(nap, [seconds] * calls)
        return time.monotonic() - begin


async def bare(address: str, calls: int, seconds: float) -> float:
    """Return the same of Dask's own client."""
    from distributed import Client

    async with Client(address, asynchronous=True) as client:

        async def keep_calling(items: list[float]) -> None:
            while items:
                await client.submit(nap, items.pop(), pure=False)

        async def call_all(items: list[float]) -> None:
            await asyncio.gather(*(keep_calling(items) for _ in range(UNDER_WAY)))

        await call_all([0.0] * UNDER_WAY)
        begin = time.monotonic()
        await call_all([seconds] * calls)
        return time.monotonic() - begin


def measure(address: str, calls: int, seconds: float, rounds: int) -> tuple[float, float]:
    """Return the milliseconds that a call takes, of giambio and of Dask."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(giambio.run(with_giambio, address, calls, seconds) / calls * 1e3)
        theirs.append(asyncio.run(bare(address, calls, seconds)) / calls * 1e3)
    return statistics.median(ours), statistics.median(theirs)


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=300, help="in each measurement")
    options = parser.parse_args()
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        for what, seconds in (("calls of 10 ms", 0.01), ("empty calls", 0.0)):
            ours, theirs = measure(address, options.calls, seconds, options.rounds)
            goal = f", the goal is {RATIO_SHOULD_BE}" if seconds else ""
            print(
                f"{what}: {ours:.1f} ms each, and {theirs:.1f} with bare Dask: "
                f"{ours / theirs:.2f} ×{goal}"
            )


if __name__ == "__main__":
    main()
