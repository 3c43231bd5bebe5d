"""The fixtures of the tests of the real network, for the simulated one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from giambio.testing import Simulation, simulate


@pytest.fixture
def driver() -> str:
    """Named by some tests."""
    return "simulated"


@pytest.fixture
def run() -> Callable[..., Any]:
    """`giambio.run`, on a host of a simulation."""

    def run_on_host(main: Any, *args: Any) -> Any:
        async def system(sim: Simulation) -> Any:
            results = []

            async def on_host() -> None:
                results.append(await main(*args))

            await sim.host("tested", on_host).join()
            return results[0]

        return simulate(system, seed=1)

    return run_on_host
