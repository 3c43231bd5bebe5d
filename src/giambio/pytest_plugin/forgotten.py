"""A test that forgets an `await` fails: what it meant to test has not happened.

Python says so with a warning, from a destructor. That fails no test, and where warnings are
errors, the error reaches nobody: pytest reports it as an exception that was ignored. So the
warnings of a test of ours are looked through after its set-up, its call and its teardown. Those
that are about something else go on to pytest, and those that the project ignores are ignored.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from giambio.pytest_plugin.ownership import is_ours, is_simulation
from giambio.pytest_plugin.settings import failure

__all__ = [
    "forgotten_in",
    "pytest_runtest_call",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
]

CAUGHT = pytest.StashKey[list[warnings.WarningMessage]]()

#: Where the line that lets go of something is ours: the function that held it has ended.
OUR_FILES = str(Path(__file__).parents[1]) + os.sep

#: What is forgotten, and a warning about it: coroutines, and operations of giambio.
KINDS = {
    r"coroutine .* was never awaited": "coroutine 'it' was never awaited",
    r"(?!coroutine ).* was never awaited": "it() was never awaited",
}
FORGOTTEN = re.compile("|".join(KINDS))
#: How the warning names the place where a coroutine was made.
ORIGIN = re.compile(r'^  File "(.+)", line (\d+), in ', re.MULTILINE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Catch the warnings of a test of ours, and have coroutines know where they were made."""
    if not (is_ours(item) or is_simulation(item)):
        return (yield)
    depth = sys.get_coroutine_origin_tracking_depth()
    with warnings.catch_warnings(record=True) as caught:
        show_forgotten(item, caught)
        item.stash[CAUGHT] = caught
        sys.set_coroutine_origin_tracking_depth(max(depth, 1))
        try:
            result = yield
        finally:
            sys.set_coroutine_origin_tracking_depth(depth)
            del item.stash[CAUGHT]
    pass_on(caught)
    return result


def show_forgotten(item: pytest.Item, caught: list[warnings.WarningMessage]) -> None:
    """Have the warnings shown which the project's filters make errors: nobody could catch them."""
    for kind, example in KINDS.items():
        try:
            warnings.warn_explicit(example, RuntimeWarning, str(item.path), 1)
        except RuntimeWarning:
            warnings.filterwarnings("default", kind, RuntimeWarning)
    caught.clear()


def pass_on(caught: list[warnings.WarningMessage]) -> None:
    """Give warnings to pytest, which reports them at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for one in caught:
            warnings.warn_explicit(
                one.message, one.category, one.filename, one.lineno, source=one.source
            )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test if a fixture has forgotten an `await`."""
    return fail_if_forgotten(item, (yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that has forgotten an `await`."""
    return fail_if_forgotten(item, (yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test if a fixture has forgotten an `await` after its `yield`."""
    return fail_if_forgotten(item, (yield))


def fail_if_forgotten(item: pytest.Item, result: Any) -> Any:
    __tracebackhide__ = True
    lines = forgotten_in(item)
    if lines:
        raise failure(lines)
    return result


def forgotten_in(item: pytest.Item) -> str:
    """Return what was never awaited since the last call, a line for each place; "" for nothing."""
    caught = item.stash.get(CAUGHT, [])
    found = [one for one in caught if is_forgotten(one)]
    caught[:] = [one for one in caught if one not in found]
    return "\n".join(dict.fromkeys(line_about(one, item) for one in found))


def is_forgotten(one: warnings.WarningMessage) -> bool:
    """Whether a warning says that this test has not awaited something.

    A coroutine that does not know where it was made was made before the test, by another one, and
    has been garbage since.
    """
    text = str(one.message)
    return (
        issubclass(one.category, RuntimeWarning)
        and FORGOTTEN.match(text) is not None
        and not (text.startswith("coroutine '") and ORIGIN.search(text) is None)
    )


def line_about(one: warnings.WarningMessage, item: pytest.Item) -> str:
    """Return what was forgotten, and where."""
    text = str(one.message)
    what = text.partition("\n")[0]
    origin = ORIGIN.search(text)
    if origin is not None:
        return f"{origin[1]}:{origin[2]}: {what}"
    if one.filename.startswith(OUR_FILES):
        return f"{item.nodeid}: {what}; a variable held it until the function ended"
    return f"{one.filename}:{one.lineno}: {what}"
