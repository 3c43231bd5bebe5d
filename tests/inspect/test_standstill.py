"""How loops are held up while another thread reads them, where there is no GIL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import giambio
from giambio.inspect import standstill
from giambio.inspect.standstill import standing_still


@pytest.fixture(autouse=True)
def no_gil(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done without a GIL works with one, too."""
    monkeypatch.setattr(standstill, "threads_take_turns", lambda: False)


@contextmanager
def turning() -> Iterator[giambio.EventLoop]:
    """A loop in another thread that never rests."""
    loop, begun = giambio.EventLoop(), threading.Event()
    ended = giambio.Event()

    async def main() -> None:
        begun.set()
        while not ended.is_set():
            await giambio.checkpoint()

    thread = threading.Thread(target=loop.start, args=(main,))
    thread.start()
    assert begun.wait(30)
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def test_a_loop_does_nothing_meanwhile_and_then_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 26.7."""
    monkeypatch.setattr(standstill, "PATIENCE", 30.0)
    with turning() as loop:
        with standing_still([loop]):
            before = loop._counters.steps
            time.sleep(0.02)
            assert loop._counters.steps == before
        while loop._counters.steps == before:
            time.sleep(0.001)


def test_a_loop_that_is_stuck_is_not_waited_for_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 26.7: then it moves little."""
    monkeypatch.setattr(standstill, "PATIENCE", 0.01)
    begun, ended, loop = threading.Event(), threading.Event(), giambio.EventLoop()

    async def stuck() -> None:
        begun.set()
        ended.wait()
        await giambio.sleep(0)

    thread = threading.Thread(target=loop.start, args=(stuck,))
    thread.start()
    assert begun.wait(30)
    try:
        assert giambio.metrics(loop).tasks == 1
    finally:
        ended.set()
    thread.join(30)
    assert not thread.is_alive()


def test_what_belongs_to_this_thread_or_has_ended_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule 26.11: it would wait for itself."""
    monkeypatch.setattr(standstill, "PATIENCE", 1e9)

    async def main() -> int:
        return giambio.metrics().tasks + giambio.metrics(giambio.current_loop()).tasks

    loop = giambio.EventLoop()
    assert loop.start(main) == 2
    assert giambio.metrics(loop).tasks == 0
    loop.close()
    assert giambio.metrics(loop).tasks == 0
