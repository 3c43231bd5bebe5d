"""`retry`: attempts after failures, pauses that grow, and no attempt that nobody wants."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import giambio
from giambio.testing import VirtualClock

Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait."""
    return partial(run, clock=VirtualClock())


class Flaky:
    """An async function that fails so many times, and notes when it is called."""

    def __init__(self, failures: int, error: Callable[[], BaseException] = OSError) -> None:
        self.failures = failures
        self.error = error
        self.times: list[float] = []

    async def call(self, *args: object, **keywords: object) -> object:
        self.times.append(giambio.current_time())
        await giambio.sleep(1)
        if len(self.times) <= self.failures:
            raise self.error()
        return args, keywords


def test_it_is_called_until_it_works(run: Run) -> None:
    """Rule 22.6: with the same arguments."""
    flaky = Flaky(2)
    result = run(partial(giambio.retry(on=OSError)(flaky.call), 1, key=2))
    assert result == ((1,), {"key": 2})
    assert len(flaky.times) == 3


def test_pauses_grow_up_to_the_longest(run: Run) -> None:
    """Rule 22.6."""
    flaky = Flaky(6)
    retry = giambio.retry(on=OSError, wait_initial=0.5, wait_max=4, wait_jitter=0, wait_exp_base=2)
    run(retry(flaky.call))
    pauses = [b - a - 1 for a, b in zip(flaky.times, flaky.times[1:], strict=False)]
    assert pauses == pytest.approx([0.5, 1, 2, 4, 4, 4])


def test_pauses_differ_by_chance(run: Run) -> None:
    random.seed(1)
    flaky = Flaky(9)
    run(giambio.retry(on=OSError, wait_initial=1, wait_exp_base=1, wait_jitter=0.5)(flaky.call))
    pauses = [b - a - 1 for a, b in zip(flaky.times, flaky.times[1:], strict=False)]
    assert len({round(pause, 9) for pause in pauses}) == 9
    assert all(1 - 1e-9 <= pause <= 1.5 + 1e-9 for pause in pauses)


def test_pauses_that_no_float_can_hold_are_the_longest(run: Run) -> None:
    flaky = Flaky(1200)
    retry = giambio.retry(
        on=OSError, attempts=None, timeout=None, wait_exp_base=1e300, wait_jitter=0
    )
    run(retry(flaky.call))
    assert flaky.times[-1] - flaky.times[-2] == pytest.approx(6)


def test_the_last_exception_is_raised_with_a_note(run: Run) -> None:
    """Rule 22.7."""
    error = OSError("busy")
    flaky = Flaky(99, lambda: error)
    with pytest.raises(OSError, match="busy") as caught:
        run(giambio.retry(on=OSError, attempts=3, wait_jitter=0)(flaky.call))
    assert caught.value is error
    assert caught.value.__notes__ == ["retry() gave up after attempt 3, in 3.3 s"]
    assert len(flaky.times) == 3


def test_no_attempt_begins_after_the_timeout(run: Run) -> None:
    flaky = Flaky(99)
    retry = giambio.retry(on=OSError, attempts=None, timeout=10, wait_initial=2, wait_exp_base=1)
    with pytest.raises(OSError):
        run(retry(flaky.call))
    assert 3 <= len(flaky.times) <= 4
    assert flaky.times[-1] <= 10


@pytest.mark.parametrize(
    "on",
    [OSError, (KeyError, OSError), lambda exc: isinstance(exc, OSError)],
    ids=["class", "classes", "function"],
)
def test_others_are_raised_at_once(run: Run, on: Any) -> None:
    """Rule 22.6: and have no note."""
    flaky = Flaky(1, ConnectionResetError)
    run(giambio.retry(on=on)(flaky.call))
    assert len(flaky.times) == 2
    other = Flaky(1, ValueError)
    with pytest.raises(ValueError) as caught:
        run(giambio.retry(on=on)(other.call))
    assert len(other.times) == 1
    assert not hasattr(caught.value, "__notes__")


def test_a_cancellation_ends_it_in_an_attempt_and_in_a_pause(run: Run) -> None:
    """Rule 22.6: never after a cancellation."""

    async def main(seconds: float) -> int:
        begin = giambio.current_time()
        flaky = Flaky(99)
        retry = giambio.retry(on=Exception, wait_initial=2, wait_max=2, wait_jitter=0)
        with giambio.move_on_after(seconds) as scope:
            await retry(flaky.call)()
        assert scope.cancelled_caught
        assert giambio.current_time() - begin == seconds
        return len(flaky.times)

    assert [run(main, seconds) for seconds in (0.5, 2, 3.5)] == [1, 1, 2]


def test_it_looks_like_the_function_that_it_decorates() -> None:
    @giambio.retry(on=OSError)
    async def fetch(url: str, *, size: int = 1) -> bytes:
        """Fetch."""
        return bytes(size)

    assert (fetch.__name__, fetch.__doc__) == ("fetch", "Fetch.")
    assert str(inspect.signature(fetch)).startswith("(url: 'str', *, size: 'int' = 1)")
    assert inspect.iscoroutinefunction(fetch)


def test_methods_and_functions_that_return_awaitables_can_be_decorated(run: Run) -> None:
    class Client:
        times = 0

        @giambio.retry(on=OSError)
        async def get(self) -> Client:
            self.times += 1
            if self.times < 3:
                raise OSError
            return self

    client = Client()
    assert run(client.get) is client
    assert run(partial(giambio.retry(on=OSError)(giambio.sleep), 0)) is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"on": "OSError"}, TypeError, r"retry\(on=\) needs a class of exceptions, a tuple of"),
        ({"on": ()}, TypeError, r"below Exception, not \(\)"),
        ({"on": BaseException}, TypeError, "below Exception, not <class 'BaseException'>"),
        ({"on": (OSError, giambio.CancelledError)}, TypeError, "giambio.CancelledError|errors"),
        ({"on": OSError, "attempts": 0}, ValueError, "a number from 1 up for attempts, not 0"),
        ({"on": OSError, "timeout": -1}, ValueError, "from 0 up for timeout, not -1"),
        ({"on": OSError, "wait_max": "1"}, TypeError, "a number for wait_max, not '1'"),
        ({"on": OSError, "wait_exp_base": 0.5}, ValueError, "from 1 up for wait_exp_base"),
    ],
)
def test_bad_arguments(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        giambio.retry(**options)


def test_a_predicate_is_an_ordinary_function() -> None:
    async def ask(exc: Exception) -> bool:
        return True

    with pytest.raises(TypeError, match="needs an ordinary function, which is not awaited"):
        giambio.retry(on=ask)


def test_what_is_decorated_is_a_function(run: Run) -> None:
    with pytest.raises(TypeError, match=r"retry\(\) decorates an async function, not 3"):
        giambio.retry(on=OSError)(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="decorates an async function, not <coroutine"):
        giambio.retry(on=OSError)(Flaky(0).call())  # type: ignore[arg-type]

    def sync() -> int:
        return 3

    with pytest.raises(TypeError, match=r"sync\(\) returned 3, which cannot be awaited"):
        run(giambio.retry(on=OSError)(sync))  # type: ignore[arg-type]
