"""The store of examples/ in a simulation: what was read or written is never forgotten."""

from __future__ import annotations

import io
import runpy
from typing import Any

import pytest

import giambio
from giambio.testing import Fault, Faults, Simulation, simulate
from support.examples import EXAMPLES

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")

NAMES = ("bonn", "kiel", "ulm")
SEEDS = 6


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """What the example defines."""
    return runpy.run_path(str(EXAMPLES / "replicated_store.py"))


async def numbers(sim: Simulation, example: dict[str, Any]) -> int:
    """One client writes 1, 2, 3 and so on, and another one reads; return what it has read last."""
    store = example["Store"]([(name, 7000) for name in NAMES])
    last = 0

    async def writer() -> None:
        nonlocal last
        for number in range(1, 1000):
            await store.put("number", number)
            last = max(last, number)
            await giambio.sleep(0.02)

    async def reader() -> None:
        nonlocal last
        while True:
            before = last
            number = await store.get("number") or 0
            assert number >= before, f"{number} was read after {before}"
            last = max(last, number)
            await giambio.sleep(0.05)

    for name in NAMES:
        sim.host(name, example["replica"], 7000, io.BytesIO())
        sim.link(name, "writer").jitter = 0.02
    await giambio.sleep(0.1)
    sim.host("writer", writer)
    sim.host("reader", reader)
    await giambio.sleep(5)
    return last


@pytest.mark.parametrize(
    "faults",
    [
        Faults(partitions=3, resets=3, within=5),
        Faults(crashes=3, partitions=1, within=5, hosts=NAMES),
    ],
    ids=["of the network", "of the replicas"],
)
def test_numbers_never_go_back(example: dict[str, Any], faults: Faults) -> None:
    read = simulate(numbers, example, seeds=SEEDS, faults=faults)
    assert max(read) > 20


def test_the_journals_are_what_outlasts_a_crash_of_all(example: dict[str, Any]) -> None:
    async def forgetful(port: int, _: io.BytesIO) -> None:
        await example["replica"](port, io.BytesIO())

    faults = [Fault(2.0, "crash", (name,), 0.5) for name in NAMES]
    faults.append(Fault(1.9, "partition", ("writer",), 9.0))  # else it is quick to write again
    simulate(numbers, example, seed=1, faults=faults)
    with pytest.raises(AssertionError, match=r"^0 was read after "):
        simulate(numbers, example | {"replica": forgetful}, seeds=100, faults=faults)


def test_a_journal_is_read_again_without_a_torn_line(example: dict[str, Any]) -> None:
    journal = io.BytesIO(b'["a", [1, "x"], 5]\n["b", [1, "y"], 6]\n["a", [2, "z"], 7]\n["b", [2')
    assert example["replayed"](journal) == {"a": [[2, "z"], 7], "b": [[1, "y"], 6]}
    journal.write(b'["c", [1, "x"], 8]\n')
    assert example["replayed"](journal)["c"] == [[1, "x"], 8]
