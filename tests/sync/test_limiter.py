"""Capacity limiters: tokens with borrowers. Exclusion in general is tested in test_exclusion."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

import giambio
from support.sync import in_line, in_thread, outcome_of, settled, stop_the_loop

Run = Callable[..., Any]


async def borrow(limiter: giambio.CapacityLimiter) -> None:
    """Borrow a token for the name of the task, and keep it."""
    await limiter.acquire_on_behalf_of(giambio.current_task().name)


def borrowers(limiter: giambio.CapacityLimiter) -> str:
    """Those whose names are strings, in their order."""
    return "".join(str(one) for one in limiter.statistics().borrowers)


# -- counting ------------------------------------------------------------------------------------


def test_tokens_are_counted_and_borrowers_known(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.CapacityLimiter(2)
        assert limiter.statistics() == (0, 2, (), 0)
        await limiter.acquire()
        assert (limiter.borrowed_tokens, limiter.available_tokens) == (1, 1)
        await limiter.acquire_on_behalf_of("somebody")
        assert limiter.statistics() == (2, 2, (giambio.current_task(), "somebody"), 0)
        with pytest.raises(
            giambio.WouldBlock,
            match=r"^no token of this CapacityLimiter is free: 2 of 2 are borrowed$",
        ):
            limiter.acquire_on_behalf_of_nowait("another one")
        limiter.release_on_behalf_of(giambio.current_task())
        assert limiter.statistics().borrowers == ("somebody",)
        limiter.acquire_on_behalf_of_nowait("another one")
        limiter.release_on_behalf_of("somebody")
        limiter.release_on_behalf_of("another one")
        assert limiter.statistics() == (0, 2, (), 0)

    run(main)


def test_without_a_limit_nobody_waits(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.CapacityLimiter(inf)
        for number in range(1000):
            await limiter.acquire_on_behalf_of(number)
        assert limiter.statistics()[:2] == (1000, inf)
        assert limiter.available_tokens == inf
        assert repr(limiter) == "<giambio.CapacityLimiter 1000 of inf borrowed, 0 waiting>"
        with pytest.raises(RuntimeError, match="has no token"):
            limiter.release()

    run(main)


def test_with_no_tokens_all_wait_until_there_are_some(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.CapacityLimiter(0)
        with pytest.raises(giambio.WouldBlock):
            limiter.acquire_nowait()
        async with giambio.TaskManager() as manager:
            await in_line(manager, borrow, limiter, names="abcde")
            assert limiter.statistics() == (0, 0, (), 5)
            limiter.total_tokens = 5
            assert limiter.statistics() == (5, 5, tuple("abcde"), 0)

    run(main)


# -- changing the total --------------------------------------------------------------------------


def test_growing_serves_those_who_wait_in_their_order(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.CapacityLimiter(2)
        async with giambio.TaskManager() as manager:
            await in_line(manager, borrow, limiter, names="abcde")
            assert borrowers(limiter) == "ab"
            limiter.total_tokens += 2
            assert borrowers(limiter) == "abcd"
            assert limiter.statistics().tasks_waiting == 1
            limiter.total_tokens = inf
            assert borrowers(limiter) == "abcde"

    run(main)


def test_shrinking_waits_until_enough_have_come_back(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.CapacityLimiter(4)
        async with giambio.TaskManager() as manager:
            await in_line(manager, borrow, limiter, names="abcde")
            limiter.total_tokens = 1
            assert limiter.statistics() == (4, 1, tuple("abcd"), 1)
            assert limiter.available_tokens == -3
            for name in "abc":
                limiter.release_on_behalf_of(name)
                assert limiter.statistics().tasks_waiting == 1
            limiter.release_on_behalf_of("d")
            assert limiter.statistics() == (1, 1, ("e",), 0)
            limiter.total_tokens = 0
            limiter.release_on_behalf_of("e")
            with pytest.raises(giambio.WouldBlock, match="is free: 0 of 0 are borrowed"):
                limiter.acquire_nowait()

    run(main)


def test_a_token_that_comes_back_goes_to_who_waits(run: Run) -> None:
    """Rule 4.11: release hands over to the first waiter."""

    async def main() -> None:
        limiter = giambio.CapacityLimiter(2)
        async with giambio.TaskManager() as manager:
            await in_line(manager, borrow, limiter, names="abc")
            limiter.release_on_behalf_of("a")
            assert borrowers(limiter) == "bc"
            with pytest.raises(giambio.WouldBlock):
                limiter.acquire_nowait()

    run(main)


# -- who borrows ---------------------------------------------------------------------------------


class Name:
    """Equal to every other of the same name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Name) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def test_borrowers_are_told_apart_as_in_a_dict(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.CapacityLimiter(5)
        await limiter.acquire_on_behalf_of(Name("a"))
        with pytest.raises(RuntimeError, match="has a token of this CapacityLimiter already"):
            await limiter.acquire_on_behalf_of(Name("a"))
        await limiter.acquire_on_behalf_of(None)
        limiter.release_on_behalf_of(Name("a"))
        assert limiter.statistics().borrowers == (None,)

    run(main)


def test_a_borrower_is_kept_alive_until_the_token_comes_back() -> None:
    limiter = giambio.CapacityLimiter(1)
    borrower = Name("a")
    reference = weakref.ref(borrower)
    limiter.acquire_on_behalf_of_nowait(borrower)
    del borrower
    gc.collect()
    assert reference() is not None
    limiter.release_on_behalf_of(Name("a"))
    gc.collect()
    assert reference() is None


def test_a_cancelled_wait_forgets_its_borrower(run: Run) -> None:
    """Nothing leaks, and the borrower may ask again."""

    async def main() -> Any:
        limiter = giambio.CapacityLimiter(1)
        borrower = Name("a")
        await limiter.acquire()
        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, limiter.acquire_on_behalf_of, borrower, names="a")
            task.cancel()
            await settled()
            assert limiter.statistics().tasks_waiting == 0
            limiter.release()
            limiter.acquire_on_behalf_of_nowait(borrower)
            limiter.release_on_behalf_of(borrower)
        return weakref.ref(borrower)

    reference = run(main)
    gc.collect()
    assert reference() is None


def test_one_borrower_cannot_have_two_tokens_nor_wait_for_two(run: Run) -> None:
    """Rule 19.1: the message shows the way out."""

    async def main() -> list[str]:
        limiter = giambio.CapacityLimiter(1)
        messages = []
        async with giambio.TaskManager() as manager:
            await in_line(manager, borrow, limiter, names="ab")
            for borrower in "ab":
                messages.append(str(await outcome_of(limiter.acquire_on_behalf_of(borrower))))
                with pytest.raises(RuntimeError) as caught:
                    limiter.acquire_on_behalf_of_nowait(borrower)
                assert str(caught.value) == messages[-1]
            assert limiter.statistics() == (1, 1, ("a",), 1)
            limiter.release_on_behalf_of("a")
        return messages

    assert run(main) == [
        "'a' has a token of this CapacityLimiter already, and can have one; "
        "borrow more with acquire_on_behalf_of(), each for another borrower",
        "'b' waits for a token of this CapacityLimiter already, and can have one; "
        "use another borrower for each token",
    ]


def test_one_task_can_borrow_for_many(run: Run) -> None:
    async def main() -> str:
        limiter = giambio.CapacityLimiter(5)
        async with limiter:
            for name in "abcd":
                await limiter.acquire_on_behalf_of(name)
            limiter.release_on_behalf_of("c")
        return borrowers(limiter)

    assert run(main) == "abd"


# -- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1.0, "1", None, True, nan, -inf, b"1", [1], 1j], ids=repr)
def test_what_is_no_number_of_tokens_is_refused(value: Any) -> None:
    limiter = giambio.CapacityLimiter(3)
    with pytest.raises(
        TypeError,
        match=r"^CapacityLimiter\(\) needs a whole number for total_tokens "
        r"\(math\.inf is no limit\), not ",
    ):
        giambio.CapacityLimiter(value)
    with pytest.raises(TypeError, match=r"^CapacityLimiter needs a whole number for total_tokens"):
        limiter.total_tokens = value
    assert limiter.total_tokens == 3


def test_numbers_that_make_no_sense_are_refused() -> None:
    limiter = giambio.CapacityLimiter(3)
    for value in (-1, -10):
        with pytest.raises(ValueError, match=rf"needs a number from 0 up for .*, not {value}$"):
            giambio.CapacityLimiter(value)
        with pytest.raises(ValueError, match=rf"needs a number from 0 up for .*, not {value}$"):
            limiter.total_tokens = value
    with pytest.raises(ValueError, match=f"needs a number up to {sys.maxsize} for total_tokens"):
        limiter.total_tokens = 10**30
    assert limiter.total_tokens == 3


@pytest.mark.parametrize(
    "method",
    ["acquire_on_behalf_of", "acquire_on_behalf_of_nowait", "release_on_behalf_of"],
)
def test_a_borrower_must_be_hashable(method: str) -> None:
    with pytest.raises(
        TypeError, match=r"^a borrower of a CapacityLimiter must be hashable, and \[1\] is not$"
    ):
        getattr(giambio.CapacityLimiter(1), method)([1])


def test_what_was_not_borrowed_cannot_be_given_back() -> None:
    limiter = giambio.CapacityLimiter(1)
    with pytest.raises(RuntimeError, match=r"^'x' has no token of this CapacityLimiter that it"):
        limiter.release_on_behalf_of("x")
    for method in (limiter.acquire_nowait, limiter.release):
        with pytest.raises(RuntimeError, match="there is no current task"):
            method()
    assert limiter.borrowed_tokens == 0


@pytest.mark.parametrize("how", ["release", "grow"])
def test_waking_from_another_thread_is_refused_while_tasks_wait(run: Run, how: str) -> None:
    """Rule 10.10: the fix is in the message, and nothing has changed."""

    async def main() -> None:
        limiter = giambio.CapacityLimiter(1)

        def wake() -> None:
            if how == "release":
                limiter.release_on_behalf_of("a")
            else:
                limiter.total_tokens = 2

        async with giambio.TaskManager() as manager:
            await in_line(manager, borrow, limiter, names="ab")
            error = in_thread(wake)
            assert isinstance(error, RuntimeError)
            assert "from another thread than the loop's" in str(error)
            assert limiter.statistics() == (1, 1, ("a",), 1)
            loop = giambio.current_loop()
            in_thread(lambda: loop.call_soon_threadsafe(wake))

    run(main)


def test_a_forgotten_await_on_behalf_of_somebody_is_named() -> None:
    with pytest.warns(
        RuntimeWarning, match=r"^CapacityLimiter\.acquire_on_behalf_of\(\) was never awaited$"
    ):
        giambio.CapacityLimiter(1).acquire_on_behalf_of("a")
        gc.collect()


# -- a loop that is stopped ----------------------------------------------------------------------


def test_a_stopped_loop_gives_back_tokens_of_blocks_only(run: Run) -> None:
    """What was borrowed on behalf of somebody is not the business of the task's end."""
    limiter = giambio.CapacityLimiter(5)

    async def hold() -> None:
        async with limiter:
            await giambio.sleep_forever()

    async def main() -> None:
        await limiter.acquire_on_behalf_of("somebody")
        async with giambio.TaskManager() as manager:
            await in_line(manager, hold, names="ab")
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert limiter.statistics().borrowers == ("somebody",)


# -- what can be seen ----------------------------------------------------------------------------


def test_its_repr_tells_how_many_are_borrowed_and_how_many_wait(run: Run) -> None:
    async def main() -> str:
        limiter = giambio.CapacityLimiter(1)
        async with giambio.TaskManager() as manager:
            await in_line(manager, borrow, limiter, names="abc")
            text = repr(limiter)
            limiter.total_tokens = 3
        return text

    assert run(main) == "<giambio.CapacityLimiter 1 of 1 borrowed, 2 waiting>"
