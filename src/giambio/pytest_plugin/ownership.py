"""The owner of an async test: several plugins may be installed, and each has its own loop.

A mark decides; without one a test is giambio's if the project says so (``giambio_mode = auto``)
and the test uses no fixture by which another plugin knows its tests.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from _pytest.unittest import TestCaseFunction

__all__ = [
    "MARK",
    "ORIGINAL",
    "OTHER_MODES",
    "SIMULATE",
    "is_async",
    "is_async_test",
    "is_ours",
    "is_simulation",
    "place_of",
    "takes_fixture",
]

MARK = "giambio"
#: The mark of tests that are simulations.
SIMULATE = "giambio_simulate"
#: Other plugins that run async tests: their marks, their settings for running all of them, and
#: fixtures by which they know a test that is theirs.
OTHERS = ("anyio", "asyncio", "trio")
OTHER_MODES = {"anyio_mode": "auto", "asyncio_mode": "auto", "trio_mode": True}
OTHER_FIXTURES = {
    "anyio_backend": "anyio",
    "anyio_backend_name": "anyio",
    "anyio_backend_options": "anyio",
    "autojump_clock": "pytest_trio",
    "event_loop": "pytest_asyncio",
    "mock_clock": "pytest_trio",
    "nursery": "pytest_trio",
}
#: Attributes of fixtures that were made with the decorator of another plugin.
OTHER_DECORATORS = ("_force_asyncio_fixture", "_force_trio_fixture")

#: The attribute of an ordinary function that stands for an async test.
ORIGINAL = "_giambio_original"


def is_ours(item: object) -> bool:
    """Whether giambio runs a test: it is async, and no other plugin's."""
    if not isinstance(item, pytest.Function) or not is_async_test(item):
        return False
    for mark in item.iter_markers():  # the closest first
        if mark.name in (MARK, SIMULATE, *OTHERS):
            return mark.name == MARK
    return is_unclaimed(item)


def is_simulation(item: object) -> bool:
    """Whether a test is marked as one of giambio's simulations."""
    return isinstance(item, pytest.Function) and item.get_closest_marker(SIMULATE) is not None


def is_unclaimed(item: pytest.Function) -> bool:
    """Whether a test that has no mark is ours."""
    if item.config.getini("giambio_mode") != "auto":
        return False
    available = item._fixtureinfo.name2fixturedefs
    return not any(
        str(getattr(definition.func, "__module__", "")).split(".")[0] == OTHER_FIXTURES[name]
        for name in OTHER_FIXTURES.keys() & set(item.fixturenames)
        for definition in available.get(name, ())
    )


def is_async_test(item: pytest.Function) -> bool:
    """Whether a test function is async, also one that Hypothesis calls."""
    if isinstance(item, TestCaseFunction):  # unittest runs its own
        return False
    holder, name = place_of(item)
    function = getattr(holder, name)
    return inspect.iscoroutinefunction(getattr(function, ORIGINAL, function))


def place_of(item: pytest.Function) -> tuple[Any, str]:
    """Return the object and the attribute that hold the test function."""
    handle = getattr(item.obj, "hypothesis", None)
    return (item, "obj") if handle is None else (handle, "inner_test")


def is_async(function: Any) -> bool:
    """Whether the function of a fixture is async."""
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def takes_fixture(function: Any, request: pytest.FixtureRequest) -> bool:
    """Whether an async fixture is ours, or ours to refuse."""
    marked = getattr(function, "__func__", function)
    if any(getattr(marked, name, False) for name in OTHER_DECORATORS):
        return False
    item = request._pyfuncitem
    if not isinstance(item, pytest.Function) or is_async_test(item):
        return is_ours(item)
    # An ordinary test cannot use it, and is told so.
    if any(item.get_closest_marker(name) for name in OTHERS):
        return False
    return item.get_closest_marker(MARK) is not None or is_unclaimed(item)
