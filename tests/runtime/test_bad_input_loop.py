"""Bad input to the loop: each mistake is an error that names it and shows the fix."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import partial
from math import inf, nan
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


async def coroutine_function(*args: object) -> object:
    return args


async def async_generator() -> AsyncGenerator[int, None]:
    yield 1


def plain_generator() -> Generator[int, None, None]:
    yield 1


@pytest.mark.parametrize("entry", ["start", "begin", "run"])
def test_a_coroutine_instead_of_the_function_is_refused_and_closed(
    loop: giambio.EventLoop, entry: str
) -> None:
    """Rule 19.3: `loop.start(main())`."""
    start = giambio.run if entry == "run" else getattr(loop, entry)
    coro = coroutine_function()
    what = "run" if entry == "run" else "start"
    message = rf"{what}\(\) needs the async function itself, .*write {what}\(main\), without the"
    with pytest.raises(TypeError, match=message):
        start(coro)  # that it does not warn "was never awaited" is part of the test
    assert coro.cr_frame is None


@pytest.mark.parametrize("wrong", [None, 3, "main", giambio.EventLoop(), [coroutine_function]])
def test_what_is_no_function_is_refused(loop: giambio.EventLoop, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"start\(\) needs the async function itself, not "):
        loop.start(wrong)


@pytest.mark.parametrize(
    "wrong",
    [lambda: None, lambda: 3, int, async_generator, plain_generator, partial(int, 3)],
    ids=["None", "number", "class", "async generator", "generator", "partial"],
)
def test_a_function_that_returns_nothing_awaitable_is_refused(
    loop: giambio.EventLoop, wrong: Any
) -> None:
    """Rule 19.4: a function that returns nothing awaitable."""
    with pytest.raises(TypeError, match=r"returned .*, which cannot be awaited; define it with"):
        loop.start(wrong)


@pytest.mark.parametrize(
    "right",
    [
        coroutine_function,
        partial(coroutine_function),
        lambda: coroutine_function(),
        lambda: giambio.sleep(0),
        giambio.checkpoint,
    ],
    ids=["function", "partial", "lambda", "operation", "operation's function"],
)
def test_whatever_returns_an_awaitable_is_accepted(loop: giambio.EventLoop, right: Any) -> None:
    """Rule 7.10: what is accepted is judged by what the call returned."""
    assert loop.start(right) in ((), None)


def test_wrong_arguments_are_pythons_own_error(loop: giambio.EventLoop) -> None:
    async def main(a: int) -> int:
        return a

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        loop.start(main)  # type: ignore[call-arg]
    assert loop.start(main, 1) == 1


def test_starting_a_loop_inside_a_running_loop_is_refused(loop: giambio.EventLoop) -> None:
    """Rule 19.3: `start` inside of a running loop."""
    starts: list[Callable[[], object]] = [
        lambda: giambio.run(coroutine_function),
        lambda: giambio.EventLoop().start(coroutine_function),
        lambda: giambio.EventLoop().begin(coroutine_function),
    ]

    async def main() -> str:
        for start in starts:
            with pytest.raises(
                RuntimeError, match="running a loop already; await what you need, or spawn it"
            ):
                start()
        with pytest.raises(RuntimeError, match="this loop runs already"):
            loop.start(coroutine_function)
        with pytest.raises(RuntimeError, match="running a loop already"):
            loop.turn(0)
        await giambio.checkpoint()
        return "goes on"

    assert loop.start(main) == "goes on"


def test_starting_a_loop_twice_is_refused_and_closes_the_coroutine(
    loop: giambio.EventLoop,
) -> None:
    task = loop.begin(coroutine_function, 1)
    with pytest.raises(RuntimeError, match="runs already; it can run one main task at a time"):
        loop.start(coroutine_function)
    coro: Coroutine[Any, Any, Any] = coroutine_function()
    with pytest.raises(RuntimeError, match="runs already"):
        loop.start(coro)  # type: ignore[arg-type]
    assert getattr(coro, "cr_frame") is None  # noqa: B009
    loop.turn(0)
    assert task.done()
    assert loop.end() == (1,)


def test_starting_a_loop_that_runs_in_another_thread_is_refused(loop: giambio.EventLoop) -> None:
    errors: list[BaseException] = []

    def in_thread() -> None:
        try:
            loop.start(coroutine_function)
        except BaseException as exc:
            errors.append(exc)

    async def main() -> None:
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()

    loop.start(main)
    assert "this loop runs already" in str(errors[0])


def test_a_closed_loop_refuses_everything(loop: giambio.EventLoop) -> None:
    """Rule 19.3: a closed loop."""
    import socket

    loop.close()
    with socket.socket() as sock:
        for use in (
            lambda: loop.start(coroutine_function),
            lambda: loop.begin(coroutine_function),
            lambda: loop.call_soon(print),
            lambda: loop.call_later(1, print),
            lambda: loop.call_at(1, print),
            lambda: loop.call_soon_threadsafe(print),
            lambda: loop.wrap_socket(sock),
        ):
            with pytest.raises(
                giambio.RunFinishedError, match=r"this loop is closed; make a new EventLoop\(\)"
            ):
                use()
    assert repr(loop) == "<giambio.EventLoop closed>"


def test_a_loop_that_has_not_begun_cannot_be_turned(loop: giambio.EventLoop) -> None:
    for use in (loop.turn, loop.run_ready, loop.deliver, lambda: loop.driver_wait(0)):
        with pytest.raises(RuntimeError, match=r"has not begun; call loop.start\(main\)"):
            use()


@pytest.mark.parametrize("wrong", ["kqueue", "", "EPOLL"])
def test_an_unknown_driver_is_refused_with_those_there_are(wrong: str) -> None:
    with pytest.raises(ValueError, match=f"driver='{wrong}': on this system there is .*selectors"):
        giambio.EventLoop(driver=wrong)
    with pytest.raises(ValueError, match="on this system there is"):
        giambio.run(coroutine_function, driver=wrong)


@pytest.mark.parametrize("wrong", [None, 3, "print", object()], ids=repr)
def test_a_callback_that_cannot_be_called_is_refused(loop: giambio.EventLoop, wrong: Any) -> None:
    for schedule in (loop.call_soon, loop.call_soon_threadsafe, partial(loop.call_later, 1)):
        with pytest.raises(TypeError, match="a callback must be callable, not "):
            schedule(wrong)


def test_a_coroutine_as_a_callback_is_closed(loop: giambio.EventLoop) -> None:
    """Rules 19.2, 19.4: `loop.call_soon(work())`."""
    coro = coroutine_function()
    with pytest.raises(TypeError, match="; pass the function and its arguments, without calling"):
        loop.call_soon(coro)  # type: ignore[arg-type]
    assert coro.cr_frame is None
    with pytest.raises(TypeError, match=r"a callback must be callable, not 5$"):
        loop.call_soon(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [coroutine_function, partial(coroutine_function, 1)])
def test_an_async_callback_is_refused(loop: giambio.EventLoop, wrong: Any) -> None:
    """Rule 19.4: its coroutine would be dropped."""
    message = r"and coroutine_function\(\) is async, .*spawn it in a TaskManager"
    for schedule in (
        loop.call_soon,
        loop.call_soon_threadsafe,
        partial(loop.call_later, 1),
        partial(loop.call_at, 1),
    ):
        with pytest.raises(TypeError, match=message):
            schedule(wrong)


@pytest.mark.parametrize("wrong", [3, "now", threading, giambio.Clock], ids=repr)
def test_what_is_no_clock_is_refused(wrong: Any) -> None:
    """Rule 19.1: the methods that it needs are named; a class is no clock."""
    message = r"clock= needs an object with the methods now\(\) and wait_time\(deadline\), .*not "
    with pytest.raises(TypeError, match=message):
        giambio.EventLoop(clock=wrong)
    with pytest.raises(TypeError, match=message):
        giambio.run(coroutine_function, clock=wrong)


def test_run_is_called_run_in_messages() -> None:
    """Rule 19.1: the user has called no `start`."""
    with pytest.raises(TypeError, match=r"^run\(\) needs an async function .* returned 3, which"):
        giambio.run(lambda: 3)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("wrong", [None, "1", [], 1j], ids=repr)
def test_a_time_that_is_no_number_is_refused(loop: giambio.EventLoop, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"call_at\(\) needs a number for when, not "):
        loop.call_at(wrong, print)
    with pytest.raises(TypeError, match=r"call_later\(\) needs a number for delay, not "):
        loop.call_later(wrong, print)
    loop.begin(giambio.sleep, 0)
    with pytest.raises(TypeError, match=r"turn\(\) needs a number for timeout, not "):
        loop.turn(wrong)
    with pytest.raises(TypeError, match=r"driver_wait\(\) needs a number for timeout, not "):
        loop.driver_wait(wrong)
    loop.turn(0)
    loop.turn(0)
    loop.end()


def test_nan_is_no_time(loop: giambio.EventLoop) -> None:
    with pytest.raises(ValueError, match=r"call_at\(\) needs a number for when, not NaN"):
        loop.call_at(nan, print)
    with pytest.raises(ValueError, match=r"call_later\(\) needs a number for delay, not NaN"):
        loop.call_later(nan, print)
    with pytest.raises(ValueError, match=r"turn\(\) needs a number for timeout, not NaN"):
        loop.turn(nan)


@pytest.mark.parametrize("wrong", [-1, -0.5, -inf])
def test_a_negative_time_to_wait_is_refused(loop: giambio.EventLoop, wrong: float) -> None:
    """It must not be taken for the system's "for ever"."""
    with pytest.raises(
        ValueError, match=r"turn\(\) needs a number of seconds from 0 up for timeout, not -"
    ):
        loop.turn(wrong)
    with pytest.raises(ValueError, match=r"driver_wait\(\) needs a number of seconds from 0 up"):
        loop.driver_wait(wrong)


def test_a_loop_with_a_timer_for_infinity_waits_for_ever_and_not_for_an_error(run: Run) -> None:
    async def main() -> None:
        giambio.current_loop().call_later(inf, print)
        giambio.current_loop().call_at(inf, print)
        thread = threading.Thread(
            target=giambio.current_loop().call_soon_threadsafe, args=(scope.cancel,)
        )
        with scope:
            giambio.current_loop().call_soon(thread.start)
            await giambio.sleep_forever()
        thread.join()

    scope = giambio.CancelScope()
    run(main)
    assert scope.cancelled_caught
