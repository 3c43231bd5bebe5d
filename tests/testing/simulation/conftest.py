"""The fixtures of the tests of the real network, for the simulated one; and how they get there."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from giambio.testing import Simulation, simulate

NET = Path(__file__).parents[2] / "net"
#: Options of `run` that change nothing: there are no threads, and the clock is virtual.
WITHOUT_MEANING = {"threads", "clock"}


@pytest.fixture
def driver() -> str:
    """Named by some tests."""
    return "simulated"


@pytest.fixture
def run() -> Callable[..., Any]:
    """`giambio.run`, on a host of a simulation."""

    def run_on_host(main: Any, *args: Any, **options: Any) -> Any:
        assert options.keys() <= WITHOUT_MEANING or options == {"strict": False}, options

        async def system(sim: Simulation) -> Any:
            results = []

            async def on_host() -> None:
                results.append(await main(*args))

            await sim.host("tested", on_host).join()
            return results[0]

        return simulate(system, seed=1)

    return run_on_host


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test that has to fail leaves open is not held against the next one."""
    yield
    if request.node.get_closest_marker("xfail"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()


# -- the tests of the real network ------------------------------------------------------------


class Parity(pytest.Module):
    """`test_parity`: to its own tests come those that it names, with the fixtures of this file."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        yield from super().collect()
        for name in self.obj.MODULES:
            path = NET / f"{name}.py"
            yield Original.from_parent(self, path=path, name=name, nodeid=f"{self.nodeid}::{name}")


class Original(pytest.Module):
    """A module of `tests/net`: those of its tests that run something, under any schedule."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        for item in super().collect():
            fixtures = item.fixturenames if isinstance(item, pytest.Function) else []
            if "run" in fixtures and "in_turn" not in fixtures:
                assert isinstance(self.parent, Parity)
                mark = self.parent.obj.mark_of(f"{self.name}::{item.name}")
                if mark is not None:
                    item.add_marker(mark)
                yield item


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Any:
    if module_path.name == "test_parity.py":
        return Parity.from_parent(parent, path=module_path)
    return None
