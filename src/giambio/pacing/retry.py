"""`retry`: call an async function again when it fails, after a while that grows.

Many clients that failed together must not come back together, so there is chance in the pause
(Marc Brooker, "Exponential Backoff and Jitter"). Names and defaults are those of stamina; who
needs more has tenacity, whose `AsyncRetrying(sleep=giambio.sleep)` works in any task.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar

from giambio.arguments import check_int, check_number, check_seconds
from giambio.kernel.checkpoints import current_time, sleep
from giambio.kernel.coroutines import discard, name_of
from giambio.kernel.introspect import is_awaitable, makes_coroutines

__all__ = ["retry"]

P = ParamSpec("P")
T = TypeVar("T")

#: Says for which exceptions there is another attempt.
On: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], object]


def retry(
    *,
    on: On,
    attempts: int | None = 10,
    timeout: float | None = 45.0,
    wait_initial: float = 0.1,
    wait_max: float = 5.0,
    wait_jitter: float = 1.0,
    wait_exp_base: float = 2.0,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Decorate an async function so that it is called again when it fails.

    Parameters:
        on: the class of exceptions, or several in a tuple, after which there is another attempt;
            or a function that is asked about each exception. Others are raised at once, and so
            are cancellations.
        attempts: the largest number of attempts; None for no limit.
        timeout: how many seconds after the first attempt began the last one may begin; None for
            no limit. An attempt that has begun is not cut off: see `giambio.fail_after` for that.
        wait_initial: the pause after the first failure, in seconds, before `wait_jitter`.
        wait_max: the longest pause, in seconds.
        wait_jitter: up to so many seconds more are added to each pause, by chance.
        wait_exp_base: by what the pause is multiplied each time.

    Returns:
        A decorator.

    Raises:
        TypeError, ValueError: an argument makes no sense, or no function is decorated.

    The function that it makes raises what the last attempt has raised, with a note that says how
    many there were. It is as much of a checkpoint as the original is; the pauses are checkpoints,
    too, and a cancellation ends them.

    Example:
        >>> import giambio
        >>> answers = iter([ConnectionError("busy"), ConnectionError("busy"), "hello"])
        >>> @giambio.retry(on=ConnectionError, attempts=3)
        ... async def fetch():
        ...     answer = next(answers)
        ...     if isinstance(answer, Exception):
        ...         raise answer
        ...     return answer
        >>> from giambio.testing import VirtualClock
        >>> giambio.run(fetch, clock=VirtualClock())
        'hello'
    """
    is_expected = predicate(on)
    if attempts is not None:
        check_int("retry()", "attempts", attempts, 1)
    if timeout is not None:
        check_seconds("retry()", "timeout", timeout)
    for name, seconds in (
        ("wait_initial", wait_initial),
        ("wait_max", wait_max),
        ("wait_jitter", wait_jitter),
    ):
        check_seconds("retry()", name, seconds)
    check_number("retry()", "wait_exp_base", wait_exp_base)
    if wait_exp_base < 1:
        raise ValueError(
            f"retry() needs a number from 1 up for wait_exp_base, not {wait_exp_base!r}"
        )

    def pause_after(failed: int) -> float:
        try:
            pause = wait_initial * wait_exp_base ** (failed - 1)
        except OverflowError:
            return wait_max
        return min(wait_max, pause + random.uniform(0, wait_jitter))

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        check_function(function)

        @wraps(function)
        async def until_it_works(*args: P.args, **kwargs: P.kwargs) -> T:
            begin = current_time()
            failed = 0
            while True:
                try:
                    result: T = await called(function, args, kwargs)
                    return result
                except Exception as exc:
                    if not is_expected(exc):
                        raise
                    failed += 1
                    pause = pause_after(failed)
                    passed = current_time() - begin
                    if failed == attempts or (timeout is not None and passed + pause > timeout):
                        exc.add_note(f"retry() gave up after attempt {failed}, in {passed:.1f} s")
                        raise
                await sleep(pause)

        return until_it_works

    return decorate


def predicate(on: Any) -> Callable[[Exception], object]:
    """Return the function that tells after which exceptions there is another attempt."""
    if isinstance(on, (type, tuple)):
        classes: tuple[Any, ...] = on if isinstance(on, tuple) else (on,)
        wrong = [
            one for one in classes if not (isinstance(one, type) and issubclass(one, Exception))
        ]
        if wrong or not classes:
            raise TypeError(
                "retry(on=) needs classes of exceptions such as OSError, below Exception, not "
                f"{wrong[0] if wrong else on!r}"
            )
        return lambda exc: isinstance(exc, classes)
    if not callable(on):
        raise TypeError(
            "retry(on=) needs a class of exceptions, a tuple of them, or a function that is asked "
            f"about each, not {on!r}"
        )
    if makes_coroutines(on):
        raise TypeError("retry(on=) needs an ordinary function, which is not awaited")
    asked: Callable[[Exception], object] = on
    return asked


def called(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Call what is decorated, and return its awaitable."""
    awaitable = function(*args, **keywords)
    if not is_awaitable(awaitable):
        raise TypeError(
            f"retry() decorates an async function, but {name_of(function)}() returned "
            f"{awaitable!r}, which cannot be awaited; define it with `async def`"
        )
    return awaitable


def check_function(function: Any) -> None:
    """Raise unless it is a function that is decorated."""
    if is_awaitable(function) or not callable(function):
        discard(function)
        raise TypeError(
            f"retry() decorates an async function, not {function!r}; "
            "write @giambio.retry(on=OSError) above `async def`"
        )
