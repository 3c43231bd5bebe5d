"""`explore`: one test under many schedules, each of which can be run again.

Tasks that are ready run in turn, so a test sees one of many possible orders. With a seed the
order is random, and the same seed gives the same order again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar, TypeVarTuple, Unpack

from giambio.arguments import is_int
from giambio.kernel.coroutines import discard
from giambio.kernel.introspect import is_awaitable
from giambio.runtime.loop import run

__all__ = ["explore"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def explore(
    main: Callable[[*Ts], Awaitable[T]],
    *args: Unpack[Ts],
    seeds: int | Iterable[int] = 100,
    clock: Callable[[], Any] | None = None,
    driver: str | None = None,
    strict: bool = False,
) -> list[T]:
    """Run an async function again and again, each time under another random schedule.

    Parameters:
        main: an async function; each run gets a loop of its own.
        args: its arguments.
        seeds: how many runs, with the seeds 0, 1, 2 and so on; or the seeds.
        clock: called before each run for its clock, such as `VirtualClock`.
        driver, strict: see `giambio.EventLoop`.

    Returns:
        The results of `main`, in the order of the seeds.

    Raises:
        BaseException: the first exception of `main`, with a note that tells the seed.
        TypeError, ValueError: `main` is not a function, or `seeds` are not numbers.

    Example:
        >>> import giambio
        >>> from giambio.testing import explore
        >>> async def append(name, order):
        ...     order.append(name)
        >>> async def main():
        ...     order = []
        ...     async with giambio.TaskManager() as manager:
        ...         manager.start_soon(append, "a", order)
        ...         manager.start_soon(append, "b", order)
        ...     return "".join(order)
        >>> sorted(set(explore(main, seeds=20)))
        ['ab', 'ba']
    """
    check_function("explore()", main, "explore(main)")
    results = []
    for seed in seeds_of("explore", seeds):
        try:
            own = None if clock is None else clock()
            results.append(run(main, *args, seed=seed, clock=own, driver=driver, strict=strict))
        except BaseException as exc:
            exc.add_note(
                f"giambio: this was seed {seed}; run it alone with giambio.run(..., seed={seed}) "
                f"or explore(..., seeds=[{seed}])"
            )
            raise
    return results


def check_function(what: str, function: object, right: str) -> None:
    """Raise unless it can be called for each run.

    Parameters:
        what: the call that it was given to.
        function: the function.
        right: how that call is written.

    Raises:
        TypeError: it cannot; what was a coroutine is closed.
    """
    if is_awaitable(function) or not callable(function):
        discard(function)
        raise TypeError(
            f"{what} needs the async function itself, not {function!r}; it is called anew for "
            f"each run: write {right}, without the parentheses"
        )


def seeds_of(what: str, seeds: int | Iterable[int]) -> list[int]:
    """Return the seeds of the runs of `what`.

    Raises:
        TypeError: they are not whole numbers.
        ValueError: there is none.
    """
    if is_int(seeds):
        chosen = list(range(seeds))
    elif isinstance(seeds, Iterable) and not isinstance(seeds, str | bytes):
        chosen = list(seeds)
    else:
        raise TypeError(f"{what}(seeds=) needs a number of runs or the seeds, not {seeds!r}")
    if not chosen:
        raise ValueError(f"{what}(seeds={seeds!r}) would run nothing at all")
    return chosen
