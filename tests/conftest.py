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

import giambio

SECONDS_PER_TEST = 60

# Taken before pytest captures the descriptor: a time-out ends the process at once, and what
# it has to say would be lost with the capture.
REAL_STDERR = os.dup(2)
DRIVERS = ["epoll", "selectors"] if sys.platform == "linux" else ["selectors"]


# A shell starts what it runs in the background with Ctrl-C ignored. Then Python has no handler
# for it and giambio installs none, as it should; the tests are about the ordinary case.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    """The name of a driver; a test that uses it runs once for each."""
    name: str = request.param
    return name


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


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    """A test that hangs ends the run with every thread's traceback."""
    faulthandler.dump_traceback_later(SECONDS_PER_TEST, exit=True, file=REAL_STDERR)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """A test leaves no descriptor and no loop behind."""
    before = open_descriptors()
    yield
    if open_descriptors() - before:
        gc.collect()  # only then, because it takes longer than most tests
    left = open_descriptors() - before
    assert not left, f"descriptors left open: {describe(left)}"
    for thread in threading.enumerate():
        if not thread.name.startswith("giambio-") and thread is not threading.main_thread():
            thread.join(5)
            assert not thread.is_alive(), f"thread left running: {thread}"


def open_descriptors() -> set[int]:
    """The numbers of the descriptors that this process has open."""
    if not os.path.isdir("/proc/self/fd"):
        return set()
    with os.scandir("/proc/self/fd") as entries:
        numbers = {int(entry.name) for entry in entries}
    return {number for number in numbers if alive(number)}


def alive(number: int) -> bool:
    """Tell whether a descriptor is open (that of the listing itself is not)."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def describe(numbers: set[int]) -> dict[int, str]:
    """What these descriptors are."""
    return {number: os.readlink(f"/proc/self/fd/{number}") for number in numbers}
