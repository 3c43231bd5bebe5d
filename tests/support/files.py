"""What the tests of files share: each route forced in turn, on a disk and in memory."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.files import file_routes

#: The routes that can be forced, and what the switch is set to.
ROUTES = {"page cache": (True, False), "io_uring": (False, True), "worker": (False, False)}
SHARED_MEMORY = "/dev/shm"


def skip_without_ring() -> None:
    """Skip a test that needs io_uring, and say why there is none."""
    problem = ring_problem()
    if problem:
        print(f"io_uring cannot be had: {problem}")
        pytest.skip(f"no io_uring: {problem}")


def ring_problem() -> str:
    """Why there is no io_uring here; "" if there is."""
    return next(route.problem for route in file_routes.routes() if route.name == "io_uring")


@contextmanager
def only(route: str) -> Iterator[None]:
    """A block in which files are opened for one route alone."""
    switch = file_routes.switch
    before = (switch.page_cache, switch.io_uring)
    switch.page_cache, switch.io_uring = ROUTES[route]
    try:
        yield
    finally:
        switch.page_cache, switch.io_uring = before


@pytest.fixture(params=ROUTES, name="route")
def forced_route(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each route in turn, forced."""
    if request.param == "io_uring":
        skip_without_ring()
    with only(request.param):
        yield request.param


@pytest.fixture(params=["disk", "tmpfs"], name="place")
def disk_or_memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk, and one in memory, where `RWF_NOWAIT` is refused."""
    if request.param == "disk":
        yield tmp_path
        return
    if not os.access(SHARED_MEMORY, os.W_OK):
        pytest.skip(f"there is no {SHARED_MEMORY}")
    folder = tempfile.mkdtemp(prefix="giambio-", dir=SHARED_MEMORY)
    yield Path(folder)
    shutil.rmtree(folder)


def used(before: tuple[giambio.FileRoute, ...], name: str) -> giambio.FileRoute:
    """How often a route was used since `before` was taken."""
    (then,) = (route for route in before if route.name == name)
    (now,) = (route for route in file_routes.routes() if route.name == name)
    return now._replace(reads=now.reads - then.reads, others=now.others - then.others)


def drop_from_cache(path: Path) -> None:
    """Have the system forget what it has of a file in its page cache."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for a condition to be true."""
    with giambio.fail_after(seconds):
        while not condition():
            await giambio.sleep(0.002)


def interrupt_twice(loop: Any) -> None:
    """Have a thread press Ctrl-C twice: the second one ends the loop itself."""

    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while not loop._interrupts.count:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
