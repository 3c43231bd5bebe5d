"""Checkpoints and sleeping: yielding control, noticing cancellations, and the budget."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from typing import Any

import pytest

import giambio
from giambio.kernel import constants
from support.kernel import ManualClock, turns

Run = Callable[..., Any]

#: Every operation that is a checkpoint and nothing else, and always gives way.
ALWAYS_GIVE_WAY: list[tuple[str, Callable[[], Awaitable[None]]]] = [
    ("checkpoint", giambio.checkpoint),
    ("sleep(0)", lambda: giambio.sleep(0)),
    ("sleep(0.0)", lambda: giambio.sleep(0.0)),
    ("sleep(False)", lambda: giambio.sleep(False)),
    ("a short sleep", lambda: giambio.sleep(1e-300)),
    ("sleep_until the past", lambda: giambio.sleep_until(-inf)),
    ("sleep_until now", lambda: giambio.sleep_until(giambio.current_time())),
]
NAMES = [name for name, _ in ALWAYS_GIVE_WAY]


async def gave_way(awaitable: Awaitable[Any]) -> bool:
    """Tell whether others ran while something was awaited."""
    ran: list[bool] = []
    giambio.current_loop().call_soon(ran.append, True)
    await awaitable
    return bool(ran)


# -- the family -------------------------------------------------------------------


@pytest.mark.parametrize(("name", "make"), ALWAYS_GIVE_WAY, ids=NAMES)
def test_checkpoint_and_sleep_always_give_way(
    run: Run, name: str, make: Callable[[], Awaitable[None]]
) -> None:
    """Rule 4.9: `checkpoint()` and `sleep(0)` always yield."""

    async def main() -> bool:
        return await gave_way(make())

    assert run(main)


def test_a_sleep_until_a_time_that_passes_before_the_await_gives_way_too(run: Run) -> None:
    clock = ManualClock()

    async def main() -> bool:
        operation = giambio.sleep_until(clock.time + 1)
        clock.time += 2
        return await gave_way(operation)

    assert run(main, clock=clock)


@pytest.mark.parametrize(("name", "make"), ALWAYS_GIVE_WAY, ids=NAMES)
def test_checkpoint_and_sleep_notice_a_cancellation_that_was_there_before(
    run: Run, name: str, make: Callable[[], Awaitable[None]]
) -> None:
    """Rule 4.2: a pending cancellation raises and nothing was done."""

    async def main() -> bool:
        with giambio.CancelScope() as scope:
            scope.cancel()
            ran: list[bool] = []
            giambio.current_loop().call_soon(ran.append, True)
            try:
                await make()
            except giambio.CancelledError:
                assert not ran
                raise
        return scope.cancelled_caught

    assert run(main)


@pytest.mark.parametrize(("name", "make"), ALWAYS_GIVE_WAY, ids=NAMES)
def test_checkpoint_and_sleep_notice_a_cancellation_that_comes_meanwhile(
    run: Run, name: str, make: Callable[[], Awaitable[None]]
) -> None:
    """Rule 4.3: it can be cancelled where it yields control."""

    async def main() -> bool:
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_soon(scope.cancel)
            await make()
        return scope.cancelled_caught

    assert run(main)


def test_cancellation_is_level_triggered(run: Run) -> None:
    """Rule 5.1: every checkpoint inside it raises until the scope is left."""

    async def main() -> int:
        raised = 0
        with giambio.CancelScope() as scope:
            scope.cancel()
            for _ in range(5):
                try:
                    await giambio.checkpoint()
                except giambio.CancelledError:
                    raised += 1
        await giambio.checkpoint()
        return raised

    assert run(main) == 5


def test_checkpoint_if_cancelled_raises_or_goes_on_without_giving_way(run: Run) -> None:
    """Rule 4.10: `checkpoint_if_cancelled`."""

    async def main() -> bool:
        assert not await gave_way(giambio.checkpoint_if_cancelled())
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.checkpoint_if_cancelled()
        return scope.cancelled_caught

    assert run(main)


def test_cancel_shielded_checkpoint_gives_way_and_never_raises(run: Run) -> None:
    """Rule 4.10: `cancel_shielded_checkpoint`."""

    async def main() -> bool:
        with giambio.CancelScope() as scope:
            scope.cancel()
            assert await gave_way(giambio.cancel_shielded_checkpoint())
            await giambio.checkpoint()
        return scope.cancelled_caught

    assert run(main)


@pytest.mark.usefixtures("in_turn")
def test_tasks_that_give_way_take_turns(run: Run) -> None:
    async def main() -> list[str]:
        log: list[str] = []

        async def worker(name: str) -> None:
            for step in range(3):
                log.append(f"{name}{step}")
                await giambio.checkpoint()

        async with giambio.TaskManager() as manager:
            for name in "abc":
                await manager.spawn(worker, name)
        return log

    assert run(main) == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


# -- sleeping ----------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [2, 2.0, True, Fraction(5, 2), Decimal("2.5")], ids=repr)
def test_every_kind_of_number_is_a_time_to_sleep(run: Run, seconds: Any) -> None:
    """Rule 20.2: in both builds, for int, float, bool and others alike."""
    clock = ManualClock()

    async def main() -> float:
        before = giambio.current_time()
        await giambio.sleep(seconds)
        between = giambio.current_time()
        await giambio.sleep_until(between + float(seconds))
        return giambio.current_time() - before

    assert run(main, clock=clock) == 2 * float(seconds)


def test_sleepers_wake_in_the_order_of_their_deadlines(run: Run) -> None:
    async def main() -> list[int]:
        order: list[int] = []

        async def sleeper(seconds: int) -> None:
            await giambio.sleep(seconds)
            order.append(seconds)

        async with giambio.TaskManager() as manager:
            for seconds in (5, 3, 4, 1, 2):
                await manager.spawn(sleeper, seconds)
        return order

    assert run(main, clock=ManualClock()) == [1, 2, 3, 4, 5]


def test_a_sleep_is_counted_from_the_await_not_from_the_call(run: Run) -> None:
    clock = ManualClock()

    async def main() -> float:
        operation = giambio.sleep(10)
        clock.time += 100
        before = clock.time
        await operation
        return clock.time - before

    assert run(main, clock=clock) == 10


def test_a_real_sleep_takes_no_less_than_its_time(run: Run) -> None:
    async def main() -> float:
        before = giambio.current_time()
        await giambio.sleep(0.02)
        return giambio.current_time() - before

    assert run(main) >= 0.02


@pytest.mark.parametrize(
    "forever",
    [giambio.sleep_forever, lambda: giambio.sleep(inf), lambda: giambio.sleep_until(inf)],
    ids=["sleep_forever", "sleep(inf)", "sleep_until(inf)"],
)
def test_only_a_cancellation_ends_a_sleep_for_ever(
    run: Run, forever: Callable[[], Awaitable[None]]
) -> None:
    async def main() -> bool:
        with giambio.move_on_after(1000) as scope:
            await forever()
        return scope.cancelled_caught

    assert run(main, clock=ManualClock())


def test_many_cancelled_sleeps_leave_no_timers_behind(run: Run) -> None:
    """Removed timers are swept from the heap; what was not removed still fires, in order."""

    async def main() -> list[int]:
        order: list[int] = []

        async def sleeper(number: int) -> None:
            await giambio.sleep(number + 1)
            order.append(number)

        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(sleeper, number) for number in range(500)]
            await turns(2)
            for number, task in enumerate(tasks):
                if number % 50:
                    task.cancel()
        return order

    assert run(main, clock=ManualClock()) == list(range(0, 500, 50))


@pytest.mark.parametrize("seconds", [-1, -0.001, -inf])
def test_a_negative_sleep_is_refused_at_the_call(run: Run, seconds: float) -> None:
    """Rule 19.6: negative seconds."""

    async def main() -> None:
        message = rf"^sleep\(\) needs a number of seconds from 0 up, not {seconds}$"
        with pytest.raises(ValueError, match=message):
            giambio.sleep(seconds)

    run(main)


def test_a_nan_sleep_is_refused_at_the_call(run: Run) -> None:
    """Rule 19.6: NaN seconds."""

    async def main() -> None:
        for seconds in nan, Decimal("NaN"):
            with pytest.raises(ValueError, match=r"sleep\(\) needs a number for seconds, not NaN"):
                giambio.sleep(seconds)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"sleep_until\(\) needs a number for deadline, not"):
            giambio.sleep_until(nan)

    run(main)


class Comparable:
    """No number, though it compares with numbers."""

    def __le__(self, other: object) -> bool:
        return True

    def __ge__(self, other: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "Comparable()"


@pytest.mark.parametrize("wrong", [None, "1", b"1", [], 1j, object, Comparable()], ids=repr)
def test_what_is_no_number_is_refused_at_the_call(run: Run, wrong: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"sleep\(\) needs a number for seconds, not "):
            giambio.sleep(wrong)
        with pytest.raises(TypeError, match=r"sleep_until\(\) needs a number for deadline, not "):
            giambio.sleep_until(wrong)

    run(main)


def test_a_number_too_large_for_a_float_is_refused_at_the_call(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"sleep\(\) needs .* a float can hold"):
            giambio.sleep(10**400)

    run(main)


def test_current_time_needs_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
        giambio.current_time()
    with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
        giambio.sleep_until(0)


# -- the budget ----------------------------------------------------------------------


async def turns_taken_by(operation: Callable[[], Awaitable[Any]], times: int) -> int:
    """How often others got their turn while an operation was done so many times."""
    others = 0
    stopped = False

    def other() -> None:
        nonlocal others
        others += 1
        if not stopped:
            giambio.current_loop().call_soon(other)

    await giambio.cancel_shielded_checkpoint()  # a fresh budget
    giambio.current_loop().call_soon(other)
    for _ in range(times):
        await operation()
    stopped = True
    return others


@pytest.mark.usefixtures("in_turn")
def test_a_ready_operation_costs_no_turn_until_the_budget_is_used_up(run: Run) -> None:
    """Rules 4.5, 4.6: a ready operation costs no turn until the budget is used up."""

    async def main() -> list[int]:
        async with giambio.TaskManager() as manager:
            done = await manager.spawn(giambio.checkpoint)
            await turns(4)
            budget = constants.BUDGET
            return [
                await turns_taken_by(done.join, times)
                for times in (1, budget, budget + 1, 2 * budget, 2 * budget + 1, 10 * budget)
            ]

    assert run(main) == [0, 0, 1, 1, 2, 9]


@pytest.mark.usefixtures("in_turn")
def test_the_budget_is_full_at_the_start_of_each_step(run: Run) -> None:
    """Rule 4.6: the budget is full at the start of each step."""

    async def main() -> int:
        async with giambio.TaskManager() as manager:
            done = await manager.spawn(giambio.checkpoint)
            await turns(4)

            async def nearly_all_and_give_way() -> None:
                for _ in range(constants.BUDGET):
                    await done.join()
                await giambio.checkpoint()

            return await turns_taken_by(nearly_all_and_give_way, 5)

    assert run(main) == 5  # the checkpoints' own


@pytest.mark.usefixtures("in_turn")
def test_an_empty_budget_yields_cancellably_and_nothing_was_done(run: Run) -> None:
    """Rule 4.3: an empty budget yields control first, and can be cancelled there."""

    async def main() -> tuple[bool, int]:
        ours, theirs = socket.socketpair()
        received = 0
        with giambio.wrap_socket(ours) as sock, theirs:
            theirs.sendall(b"x" * (constants.BUDGET + 1))
            with giambio.CancelScope() as scope:
                await giambio.checkpoint()
                giambio.current_loop().call_soon(scope.cancel)
                while True:
                    received += len(await sock.receive(1))
            # The one that was cancelled took nothing.
            assert await sock.receive(100) == b"x" * (constants.BUDGET + 1 - received)
        return scope.cancelled_caught, received

    assert run(main) == (True, constants.BUDGET)


@pytest.mark.usefixtures("in_turn")
@pytest.mark.parametrize(("size", "operations"), [(64, 1), (65_536, 2), (131_072, 3)])
def test_a_large_transfer_counts_as_several_operations(
    run: Run, size: int, operations: int
) -> None:
    """Rule 4.7: the budget counts operations (large transfers count by 64 KiB)."""

    async def main() -> int:
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        happened = giambio.Event()
        happened.set()
        with giambio.wrap_socket(ours) as sock, theirs:
            theirs.sendall(bytes(size))
            await giambio.checkpoint()  # a fresh budget
            gave_way: list[None] = []
            giambio.current_loop().call_soon(gave_way.append, None)
            assert len(await sock.receive(size)) == size
            left = 0
            while not gave_way:
                await happened.wait()
                left += 1
        return constants.BUDGET + 1 - left

    assert run(main) == operations


def test_an_operation_that_has_taken_effect_neither_yields_nor_raises(run: Run) -> None:
    """Rule 4.4: putting an item in compares it with others, and that is where it is cancelled."""

    class Cancelling:
        def __lt__(self, other: object) -> bool:
            scope.cancel()
            giambio.current_loop().call_soon(others_ran.append, None)
            return True

    others_ran: list[None] = []
    scope = giambio.CancelScope()

    async def main() -> int:
        queue: giambio.PriorityQueue[Any] = giambio.PriorityQueue()
        await queue.put(Cancelling())
        with scope:
            await queue.put(Cancelling())
            assert scope.cancel_called
            assert others_ran == []
            await queue.put(Cancelling())
        assert scope.cancelled_caught
        return queue.qsize()

    assert run(main) == 2


def test_a_busy_task_with_ready_operations_cannot_starve_the_others(run: Run) -> None:
    """Rule 4.8: a busy task cannot starve the others."""

    async def main() -> str:
        left, right = socket.socketpair()
        with giambio.wrap_socket(left) as one, giambio.wrap_socket(right) as other:

            async def busy() -> None:
                while True:  # each of these is always ready
                    await one.send_all(b"x")
                    await other.receive(1)

            async with giambio.TaskManager() as manager:
                await manager.spawn(busy)
                await manager.spawn(busy_joiner)
                await giambio.sleep(0.01)
                await turns(3)
                manager.cancel()
        return "came through"

    async def busy_joiner() -> None:
        async with giambio.TaskManager() as manager:
            done = await manager.spawn(giambio.checkpoint)
            while True:
                await done

    assert run(main) == "came through"


def test_a_task_that_swallows_cancellations_cannot_starve_the_others(run: Run) -> None:
    """Rule 4.8: a busy task cannot starve the others."""

    async def main() -> int:
        stop: list[bool] = []
        swallowed = 0
        giambio.current_loop().call_later(0.01, stop.append, True)
        with giambio.CancelScope() as scope:
            scope.cancel()
            while not stop:
                try:
                    await giambio.sleep_forever()
                except giambio.CancelledError:
                    swallowed += 1
        return swallowed

    assert run(main) > 1


def test_a_task_that_swallows_errors_cannot_starve_the_others(run: Run) -> None:
    """Rule 4.8: a busy task cannot starve the others."""

    async def main() -> int:
        stop: list[bool] = []
        caught = 0
        giambio.current_loop().call_later(0.01, stop.append, True)
        while not stop:
            try:
                await giambio.current_task()  # awaiting itself fails at once
            except RuntimeError:
                caught += 1
        return caught

    assert run(main) > 1
