"""What every test gets: both drivers, a time limit, and a check for leaks."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import find
from hypothesis.strategies import none

import giambio
from support.files import ring_problem
from support.kernel import without_collector
from support.net import open_descriptors
from support.stateful import EXAMPLES, SEED

SECONDS_PER_TEST = 60
#: Hypothesis takes its time to find the shortest program that fails.
SECONDS_TO_SHRINK = 6000

# A timeout ends the process at once, and what it has to say would be lost with pytest's
# capture. So this is the descriptor as it is before any test is captured.
real_stderr = 2
DRIVERS = ["epoll", "selectors"] if sys.platform == "linux" else ["selectors"]


# A shell starts what it runs in the background with Ctrl-C ignored. Then Python has no handler
# for it and giambio installs none, as it should; the tests are about the ordinary case.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# And `nohup` ignores the hang-up, which children of a test would inherit.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A program of a test writes a line in one piece, so that receiving once receives it.
os.environ.pop("PYTHONUNBUFFERED", None)


def pytest_configure() -> None:
    global real_stderr
    real_stderr = os.dup(2)


def pytest_report_header() -> list[str]:
    return [
        f"stateful tests: GIAMBIO_TEST_SEED={SEED} GIAMBIO_TEST_EXAMPLES={EXAMPLES}",
        f"io_uring: {ring_problem() or 'can be used'}",
    ]


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    """The name of a driver; a test that uses it runs once for each."""
    name: str = request.param
    return name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests with Dask last: its threads stay, and any of them might wake a task.

    So no deadlock is seen from then on.
    """
    items.sort(key=lambda item: item.path.parent.name == "cluster")


def pytest_collection_finish() -> None:
    """Spare the collector the thousands of tests, which live to the end: it is asked often."""
    # It asks the collector who holds its random numbers, the first time that it is used.
    find(none(), lambda _: True)
    gc.collect()
    gc.freeze()


@pytest.fixture
def run(driver: str) -> Callable[..., Any]:
    """`giambio.run`, on each driver in turn."""

    def run_on_driver(main: Any, *args: Any, **options: Any) -> Any:
        return giambio.run(main, *args, driver=driver, **options)

    return run_on_driver


@pytest.fixture
def loop(driver: str) -> Iterator[giambio.EventLoop]:
    """A loop of its own, on each driver in turn."""
    loop = giambio.EventLoop(driver=driver)
    yield loop
    loop.close()


@pytest.fixture
def in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No random schedule, whatever the environment says.

    For a test of who comes when, or of how far a task goes before it gives way. All others
    have to pass under any schedule.
    """
    monkeypatch.delenv("GIAMBIO_SEED", raising=False)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Without the garbage collector, only reference counts free anything."""
    with without_collector():
        yield


@pytest.fixture(autouse=True)
def time_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that hangs ends the run with every thread's traceback."""
    stateful = request.node.path.name.startswith("test_stateful")
    seconds = SECONDS_TO_SHRINK if stateful else SECONDS_PER_TEST
    faulthandler.dump_traceback_later(seconds, exit=True, file=real_stderr)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """A test leaves no descriptor, thread and loop behind."""
    before, threads = open_descriptors(), set(threading.enumerate())
    yield
    if open_descriptors() - before:
        gc.collect()  # only then, because it takes longer than most tests
    left = open_descriptors() - before
    assert not left, f"descriptors left open: {describe(left)}"
    for thread in set(threading.enumerate()) - threads:
        if not thread.name.startswith("giambio-"):
            thread.join(5)
            assert not thread.is_alive(), f"thread left running: {thread}"


def describe(numbers: set[int]) -> dict[int, str]:
    """What these descriptors are."""
    return {number: os.readlink(f"/proc/self/fd/{number}") for number in numbers}
