"""What the tests of threads share: waiting for what another thread does, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import giambio
from giambio.threads.workers import idle_workers

LONG = 30  # seconds for what comes at once, or the test fails


async def until(condition: Callable[[], object]) -> None:
    """Wait in a task until something outside the loop has happened."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await giambio.sleep(0.001)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait in a thread until something has happened."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)


class Gate:
    """A blocking function that says when it is called, and returns when it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.left = threading.Event()
        self.calls = 0

    def __call__(self, result: object = None) -> object:
        self.calls += 1
        self.entered.set()
        assert self.open.wait(LONG)
        self.left.set()
        return result


def threads_since(before: list[threading.Thread]) -> list[threading.Thread]:
    """The threads that have been started since `threading.enumerate` said which there are.

    Their number says less: idle workers of earlier tests end whenever they like.
    """
    return [one for one in threading.enumerate() if one not in before]


def all_workers_rest() -> bool:
    """Tell whether no worker thread is busy any more."""
    return idle_workers() == len(giambio.build_info().threads)


def worker_threads() -> list[threading.Thread]:
    """giambio's worker threads that are alive."""
    return [one for one in threading.enumerate() if one.name.startswith("giambio-worker-")]
