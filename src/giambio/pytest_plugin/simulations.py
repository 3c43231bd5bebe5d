"""Tests that are simulations: ``@pytest.mark.giambio_simulate``, see `giambio.testing.simulate`.

Such a test is the function that describes the system. It runs once for each seed, and the first one
under which it fails is told, with the command that runs it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest

from giambio.pytest_plugin.ownership import ORIGINAL, SIMULATE, is_async_test, place_of
from giambio.pytest_plugin.settings import failure, update_by_marks

__all__ = ["make_simulation", "sim"]

#: How many seeds a test has without a word about it.
SEEDS = 20


@pytest.fixture
def sim() -> None:
    """The `giambio.testing.Simulation` of a test that is marked giambio_simulate."""


def make_simulation(item: pytest.Function) -> None:
    """Put an ordinary function in the place of the test, which simulates it."""
    holder, name = place_of(item)
    function = getattr(holder, name)
    if hasattr(function, ORIGINAL):
        return
    is_async = is_async_test(item)

    @wraps(function)
    def ordinary(**arguments: Any) -> None:
        __tracebackhide__ = True
        if not is_async:
            raise failure(f"{item.name} is a simulation, so it has to be async: `async def`")
        run(item, function, arguments)

    setattr(ordinary, ORIGINAL, function)
    setattr(holder, name, ordinary)


def run(item: pytest.Function, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Run a test under each of its seeds."""
    __tracebackhide__ = True
    from giambio.testing.seeds import seeds_of
    from giambio.testing.simulation.simulation import simulate

    if "sim" not in arguments:
        raise failure(f"{item.name} is a simulation, so it needs an argument `sim`")
    options = options_of(item)

    @wraps(function)
    async def system(sim: Any) -> None:
        __tracebackhide__ = True
        await function(**{**arguments, "sim": sim})

    for seed in seeds_of(f"@pytest.mark.{SIMULATE}", options["seeds"]):
        try:
            simulate(system, seed=seed, faults=options["faults"])
        except BaseException as exc:
            exc.add_note(f"run it again with pytest '{item.nodeid}' --giambio-seed={seed}")
            raise


def options_of(item: pytest.Function) -> dict[str, Any]:
    """Return the seeds of a test and its faults: the command line precedes the mark."""
    options: dict[str, Any] = {"seeds": SEEDS, "faults": ()}
    update_by_marks(options, item, SIMULATE)
    seed = item.config.getoption("giambio_seed")
    if seed is not None:
        options["seeds"] = [seed]
    return options
