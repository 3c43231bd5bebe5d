"""Semaphores: permits without owners. Exclusion in general is tested in test_exclusion."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

import giambio
from support.sync import in_line, in_thread, settled

Run = Callable[..., Any]


async def take(semaphore: giambio.Semaphore) -> None:
    await semaphore.acquire()


# -- counting ------------------------------------------------------------------------------------


def test_the_value_counts_down_and_up(run: Run) -> None:
    async def main() -> list[int]:
        semaphore = giambio.Semaphore(2)
        values = [semaphore.value]
        await semaphore.acquire()
        values.append(semaphore.value)
        semaphore.acquire_nowait()
        values.append(semaphore.value)
        with pytest.raises(giambio.WouldBlock, match=r"^no permit of this Semaphore is free$"):
            semaphore.acquire_nowait()
        semaphore.release()
        values.append(semaphore.value)
        return values

    assert run(main) == [2, 1, 0, 1]


def test_it_may_begin_without_a_permit(run: Run) -> None:
    async def main() -> None:
        semaphore = giambio.Semaphore(0)
        assert semaphore.value == 0
        with pytest.raises(giambio.WouldBlock):
            semaphore.acquire_nowait()
        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, take, semaphore, names="a")
            assert not task.done()
            semaphore.release()

    run(main)


def test_without_a_maximum_it_can_be_released_beyond_its_first_value() -> None:
    semaphore = giambio.Semaphore(1)
    semaphore.release()
    assert (semaphore.value, semaphore.max_value) == (2, None)


def test_with_a_maximum_it_cannot() -> None:
    """Rule 19.1: released more often than acquired."""
    semaphore = giambio.Semaphore(1, max_value=2)
    assert semaphore.max_value == 2
    semaphore.release()
    with pytest.raises(
        ValueError,
        match=r"^this Semaphore was released more often than acquired: all of its 2 permits are",
    ):
        semaphore.release()
    assert semaphore.value == 2
    semaphore.acquire_nowait()
    semaphore.release()
    assert semaphore.value == 2


def test_a_release_is_never_too_much_while_somebody_waits(run: Run) -> None:
    async def main() -> int:
        semaphore = giambio.Semaphore(0, max_value=1)
        async with giambio.TaskManager() as manager:
            await in_line(manager, take, semaphore, names="abc")
            for _ in range(3):
                semaphore.release()
        semaphore.release()
        return semaphore.value

    assert run(main) == 1


def test_any_task_may_release_and_so_may_a_callback(run: Run) -> None:
    async def main() -> int:
        semaphore = giambio.Semaphore(0)
        async with giambio.TaskManager() as manager:
            await in_line(manager, take, semaphore, names="ab")
            semaphore.release()
            giambio.current_loop().call_soon(semaphore.release)
        return semaphore.value

    assert run(main) == 0


def test_as_many_run_at_once_as_there_are_permits(run: Run) -> None:
    async def main() -> int:
        semaphore = giambio.Semaphore(3)
        inside = most = 0

        async def worker() -> None:
            nonlocal inside, most
            async with semaphore:
                inside += 1
                most = max(most, inside)
                await giambio.sleep(0.001)
                inside -= 1

        async with giambio.TaskManager() as manager:
            for _ in range(10):
                await manager.spawn(worker)
        assert semaphore.value == 3
        return most

    assert run(main) == 3


def test_several_releases_at_once_serve_several_in_their_order(run: Run) -> None:
    async def main() -> None:
        semaphore = giambio.Semaphore(0)
        async with giambio.TaskManager() as manager:
            a, b, c, d = await in_line(manager, take, semaphore, names="abcd")
            a.cancel()
            semaphore.release()
            semaphore.release()
            assert semaphore.value == 0
            assert semaphore.statistics().tasks_waiting == 1
            await settled()
            assert (a.cancelled(), b.done(), c.done(), d.done()) == (True, True, True, False)
            semaphore.release()

    run(main)


def test_a_permit_granted_to_a_task_that_is_cancelled_in_a_block_comes_back(run: Run) -> None:
    """No permit leaks, whoever is cancelled when."""

    async def main() -> int:
        semaphore = giambio.Semaphore(1)

        async def worker() -> None:
            async with semaphore:
                await giambio.checkpoint()

        async with giambio.TaskManager() as manager:
            async with semaphore:
                a, b, c = await in_line(manager, worker, names="abc")
            a.cancel()  # it has the permit
            b.cancel()  # it stands in the line
            await settled()
            assert (a.cancelled(), b.cancelled(), c.cancelled()) == (True, True, False)
        return semaphore.value

    assert run(main) == 1


# -- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1.0, "1", None, True, nan, inf, b"1", [1], 1j], ids=repr)
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^Semaphore\(\) needs a whole number for initial_value, not "
    ):
        giambio.Semaphore(value)
    if value is not None:
        with pytest.raises(
            TypeError, match=r"^Semaphore\(\) needs a whole number for max_value, not "
        ):
            giambio.Semaphore(0, max_value=value)


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a number from 0 up for initial_value, not -1$"):
        giambio.Semaphore(-1)
    with pytest.raises(ValueError, match=r"needs a number from 2 up for max_value, not 1$"):
        giambio.Semaphore(2, max_value=1)
    with pytest.raises(ValueError, match=r"needs a number from 1 up for max_value, not 0$"):
        giambio.Semaphore(0, max_value=0)
    with pytest.raises(ValueError, match=rf"needs a number up to {sys.maxsize} for initial_value"):
        giambio.Semaphore(10**5000)


def test_the_largest_number_of_permits_is_no_exception() -> None:
    semaphore = giambio.Semaphore(sys.maxsize)
    with pytest.raises(ValueError, match="released more often than acquired"):
        semaphore.release()
    semaphore.acquire_nowait()
    semaphore.release()
    assert semaphore.value == sys.maxsize


def test_a_release_from_another_thread_is_refused_while_tasks_wait(run: Run) -> None:
    """Rule 10.10: the fix is in the message, and nothing was released."""

    async def main() -> None:
        semaphore = giambio.Semaphore(0)
        assert in_thread(semaphore.release) is None
        semaphore.acquire_nowait()
        async with giambio.TaskManager() as manager:
            await in_line(manager, take, semaphore, names="a")
            error = in_thread(semaphore.release)
            assert isinstance(error, RuntimeError)
            assert "Semaphore.release() was called from another thread" in str(error)
            assert semaphore.statistics().tasks_waiting == 1
            assert semaphore.value == 0
            loop = giambio.current_loop()
            in_thread(lambda: loop.call_soon_threadsafe(semaphore.release))

    run(main)


# -- what can be seen ----------------------------------------------------------------------------


def test_its_repr_tells_how_many_are_free_and_how_many_wait(run: Run) -> None:
    async def main() -> list[str]:
        semaphore = giambio.Semaphore(1, max_value=3)
        texts = [repr(semaphore), repr(giambio.Semaphore(2))]
        async with giambio.TaskManager() as manager:
            semaphore.acquire_nowait()
            await in_line(manager, take, semaphore, names="ab")
            texts.append(repr(semaphore))
            semaphore.release()
            semaphore.release()
        return texts

    assert run(main) == [
        "<giambio.Semaphore 1 of 3 free, 0 waiting>",
        "<giambio.Semaphore 2 free, 0 waiting>",
        "<giambio.Semaphore 0 of 3 free, 2 waiting>",
    ]
