"""What `call_soon` and its relatives return on the drop-in loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import giambio.asyncio

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def loop(driver: str) -> Iterator[giambio.asyncio.EventLoop]:
    loop = giambio.asyncio.EventLoop(driver=driver)
    yield loop
    loop.close()


def turn(loop: asyncio.AbstractEventLoop, seconds: float = 0.0) -> None:
    """Run what is ready, or due in so many seconds."""
    loop.call_later(seconds, loop.stop) if seconds else loop.call_soon(loop.stop)
    loop.run_forever()


def test_handles_are_asyncios_to_isinstance(loop: Any) -> None:
    """Rule 25.7: libraries ask, and print them."""
    handle, timer = loop.call_soon(print, "x"), loop.call_later(60, print, "y")
    threadsafe = loop.call_soon_threadsafe(print, "z")
    for one in (handle, timer, threadsafe):
        assert isinstance(one, asyncio.Handle)
        assert isinstance(one, asyncio.TimerHandle) is (one is timer)
        assert isinstance(one.get_context(), contextvars.Context)
        one.cancel()
        one.cancel()
        assert one.cancelled()
        assert "cancelled" in repr(one)
    assert timer.when() > loop.time() + 50


def test_a_cancelled_callback_is_not_called(loop: Any) -> None:
    """Rule 25.7: also a timer that is due, and one that another callback of its turn cancels."""
    called: list[str] = []
    later = loop.call_later(0, called.append, "later")
    soon = loop.call_soon(called.append, "soon")
    loop.call_soon(lambda: other.cancel())
    other = loop.call_soon(called.append, "other")
    kept = loop.call_soon(called.append, "kept")
    later.cancel()
    soon.cancel()
    turn(loop, 0.01)
    assert called == ["kept"]
    kept.cancel()  # harmless


def test_a_timer_can_be_cancelled_in_another_thread(loop: Any) -> None:
    """Rule 25.7: it calls nothing then."""
    called: list[str] = []
    timer = loop.call_later(0.005, called.append, "timer")
    thread = threading.Thread(target=timer.cancel)
    thread.start()
    thread.join()
    turn(loop, 0.01)
    assert called == []


def test_callbacks_run_in_their_context(loop: Any) -> None:
    """Rule 25.7: a copy of the current one, or the one that is given."""
    seen: list[str] = []
    given = contextvars.Context()
    given.run(variable.set, "given")
    token = variable.set("mine")
    for schedule in (
        loop.call_soon,
        loop.call_soon_threadsafe,
        lambda *a, **o: loop.call_later(0, *a, **o),
    ):
        schedule(lambda: seen.append(variable.get()))
        schedule(lambda: seen.append(variable.get()), context=given)
    variable.reset(token)
    turn(loop, 0.01)
    assert sorted(seen) == ["given"] * 3 + ["mine"] * 3


def test_debug_mode_tells_where_a_handle_was_made(loop: Any, caplog: Any) -> None:
    """Rule 25.7: and which one was slow."""
    loop.set_debug(True)
    loop.slow_callback_duration = 0.001
    handle = loop.call_soon(time.sleep, 0.002)
    timer = loop.call_later(0, int)
    for one in (handle, timer):
        assert one._source_traceback[-1].filename == __file__
        assert __file__ in repr(one)
    timer.cancel()
    with caplog.at_level(logging.WARNING, "asyncio"):
        turn(loop)
    assert "Executing <Handle" in caplog.text
    with pytest.raises(TypeError, match="coroutine"):
        loop.call_soon(asyncio.sleep)
    with pytest.raises(TypeError, match="callable"):
        loop.call_at(0, 7)


def test_errors_of_callbacks_are_reported(loop: Any) -> None:
    """Rule 25.8: with the handle, and the loop goes on."""
    reported: list[Any] = []
    loop.set_exception_handler(lambda loop, context: reported.append(context))
    handle = loop.call_soon(int, "nonsense")
    turn(loop)
    (context,) = reported
    assert context["handle"] is handle
    assert type(context["exception"]) is ValueError
    assert context["message"].startswith(
        "Exception in callback int("
    )  # from 3.13 on without arguments


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_program_comes_out_of_the_loop(loop: Any, error: type[BaseException]) -> None:
    """Rule 25.8: and the loop can go on."""

    def fail() -> None:
        raise error

    called: list[str] = []
    loop.call_soon(fail)
    loop.call_soon(called.append, "next")
    with pytest.raises(error):
        turn(loop)
    turn(loop)
    assert called == ["next"]


def test_a_closed_loop_schedules_nothing(driver: str) -> None:
    """Rule 25.7: it says so."""
    loop = giambio.asyncio.EventLoop(driver=driver)
    loop.close()
    for schedule in (
        lambda: loop.call_soon(print),
        lambda: loop.call_at(0, print),
        lambda: loop.call_soon_threadsafe(print),
    ):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            schedule()
