"""`giambio.testing` except the clock: blocked tasks, checkpoints, swallowing, seeds."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

import giambio
from giambio.testing import (
    VirtualClock,
    assert_checkpoints,
    assert_no_checkpoints,
    explore,
    swallowed_cancellations,
    wait_all_tasks_blocked,
)
from support.kernel import finish


def test_importing_giambio_does_not_import_it() -> None:
    """A program does not pay for the tools of its tests."""
    code = "import sys, giambio; print([name for name in sys.modules if 'giambio.test' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# -- wait_all_tasks_blocked ------------------------------------------------------------------


@pytest.fixture(params=["real", "virtual"])
def clock(request: pytest.FixtureRequest) -> Any:
    """A clock of either kind."""
    return VirtualClock() if request.param == "virtual" else giambio.Clock()


def test_it_waits_until_all_others_wait(run: Callable[..., Any], clock: Any) -> None:
    """Rule 18.6: every other task waits."""
    steps: list[str] = []

    async def worker(event: giambio.Event) -> None:
        for _ in range(50):
            await giambio.checkpoint()
        steps.append("waits")
        await event.wait()
        steps.append("goes on")

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            for _ in range(3):
                manager.start_soon(worker, event)
            await wait_all_tasks_blocked()
            assert steps == ["waits"] * 3
            await wait_all_tasks_blocked()
            event.set()
            await wait_all_tasks_blocked()
            assert steps == ["waits"] * 3 + ["goes on"] * 3

    run(main, clock=clock)


def test_it_waits_for_what_is_on_its_way_through_a_socket(
    run: Callable[..., Any], clock: Any
) -> None:
    """The driver is asked as well: what is ready there will wake a task."""
    received: list[bytes] = []

    async def relay(source: giambio.AsyncSocket, sink: giambio.AsyncSocket) -> None:
        while data := await source.receive(10):
            received.append(data)
            await sink.send_all(data)

    async def main() -> None:
        pairs = [socket.socketpair() for _ in range(5)]
        socks = [[giambio.wrap_socket(sock) for sock in pair] for pair in pairs]
        async with giambio.TaskManager() as manager:
            for before, after in pairwise(socks):
                manager.start_soon(relay, before[1], after[0])
            await wait_all_tasks_blocked()
            await socks[0][0].send_all(b"x")
            await wait_all_tasks_blocked()
            assert received == [b"x"] * 4
            manager.cancel()
        for pair in socks:
            for sock in pair:
                sock.close()

    run(main, clock=clock)


def test_sleepers_are_waiting_and_time_goes_no_further(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            sleeper = await manager.spawn(giambio.sleep, 1000)
            await wait_all_tasks_blocked(0.02)
            assert giambio.current_time() == 0
            assert not sleeper.done()

    run(main, clock=VirtualClock())


def test_the_cushion_is_real_time(run: Callable[..., Any], clock: Any) -> None:
    async def main() -> None:
        before = time.monotonic()
        await wait_all_tasks_blocked(0.05)
        assert 0.05 <= time.monotonic() - before < 5

    run(main, clock=clock)


def test_what_happens_begins_the_cushion_anew(run: Callable[..., Any]) -> None:
    woken = 0

    async def napper() -> None:
        nonlocal woken
        for _ in range(10):
            await giambio.sleep(0.01)
            woken += 1

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(napper)
            await wait_all_tasks_blocked(0.5)
            assert woken == 10

    run(main)


def test_those_with_the_shortest_cushion_go_on_first(run: Callable[..., Any], clock: Any) -> None:
    """As in Trio: then the others wait anew."""
    order: list[float] = []

    async def waiter(cushion: float) -> None:
        await wait_all_tasks_blocked(cushion)
        order.append(cushion)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for cushion in (0.03, 0.0, 0.01, 0.0, 0.03):
                manager.start_soon(waiter, cushion)

    run(main, clock=clock)
    assert order == [0.0, 0.0, 0.01, 0.03, 0.03]


def test_it_can_be_cancelled(run: Callable[..., Any], clock: Any) -> None:
    """Rule 4.1: each notices a cancellation."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await wait_all_tasks_blocked()
        assert scope.cancelled_caught
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(wait_all_tasks_blocked, 60)
            await giambio.checkpoint()
            task.cancel()
        assert task.cancelled()
        await wait_all_tasks_blocked()  # nothing of it is left

    run(main, clock=clock)


def test_told_and_cancelled_at_once_it_is_cancelled(run: Callable[..., Any]) -> None:
    """Rule 5.4: one that transferred nothing raises."""
    tasks: list[giambio.Task[None]] = []

    async def waiter() -> None:
        await wait_all_tasks_blocked()
        for task in tasks:
            if task is not giambio.current_task():
                task.cancel()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            tasks.extend([await manager.spawn(waiter) for _ in range(2)])

    run(main)
    assert sorted(task.cancelled() for task in tasks) == [False, True]


def test_it_works_in_a_loop_that_is_driven_by_turns(driver: str, clock: Any) -> None:
    """Rule 1.2: a test drives a loop turn by turn."""

    async def main() -> str:
        async with giambio.TaskManager() as manager:
            manager.start_soon(giambio.sleep, 0.01)
            await wait_all_tasks_blocked()
            await wait_all_tasks_blocked(0.02)
        return "done"

    loop = giambio.EventLoop(driver=driver, clock=clock)
    assert finish(loop, loop.begin(main)) == "done"
    task = loop.begin(main)
    while not task.done():
        loop.driver_wait(loop.run_ready())
        loop.deliver()
    assert loop.end() == "done"
    loop.close()


@pytest.mark.parametrize("cushion", [-1, math.inf, math.nan])
def test_a_cushion_is_a_number_of_seconds(run: Callable[..., Any], cushion: float) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"wait_all_tasks_blocked\(\) needs a number"):
            await wait_all_tasks_blocked(cushion)
        with pytest.raises(TypeError, match=r"a number for cushion, not '1'"):
            await wait_all_tasks_blocked("1")  # type: ignore[arg-type]

    run(main)


# -- checkpoints ---------------------------------------------------------------------------------


async def event_that_is_set() -> None:
    event = giambio.Event()
    event.set()
    await event.wait()


async def event_that_will_be_set() -> None:
    event = giambio.Event()
    giambio.current_loop().call_soon(event.set)
    await event.wait()


async def manager_with_a_task() -> None:
    async with giambio.TaskManager() as manager:
        manager.start_soon(wait_all_tasks_blocked)  # ends when the block waits for it


async def manager_without_a_task() -> None:
    async with giambio.TaskManager():
        pass


async def started() -> None:
    async def server(task_status: giambio.TaskStatus) -> None:
        task_status.started()

    async with giambio.TaskManager() as manager:
        await manager.start(server)


async def shield_and_then_a_checkpoint() -> None:
    await giambio.cancel_shielded_checkpoint()
    await event_that_is_set()


async def checkpoint_and_then_a_shield() -> None:
    await event_that_is_set()
    await giambio.cancel_shielded_checkpoint()


async def checkpoint_and_then_a_manager() -> None:
    await event_that_is_set()
    await manager_without_a_task()


async def through_an_async_generator() -> None:
    async def numbers() -> Any:
        for number in range(3):
            await event_that_is_set()
            yield number

    async for _ in numbers():
        pass


async def an_error_at_an_await() -> None:
    sock = giambio.wrap_socket(socket.socket())
    sock.close()
    with pytest.raises(giambio.ClosedResourceError):
        await sock.receive(1)


async def nothing() -> None:
    pass


CHECKPOINTS = [
    giambio.checkpoint,
    lambda: giambio.sleep(0.001),
    event_that_is_set,
    event_that_will_be_set,
    manager_with_a_task,
    started,
    shield_and_then_a_checkpoint,
    checkpoint_and_then_a_shield,
    checkpoint_and_then_a_manager,
    through_an_async_generator,
    an_error_at_an_await,
    wait_all_tasks_blocked,
]
ONLY_GIVE_WAY = [giambio.cancel_shielded_checkpoint, manager_without_a_task]
NO_CHECKPOINTS = [nothing, giambio.checkpoint_if_cancelled]

SEEDS = [None, *range(8)]
Function = Callable[[], Awaitable[Any]]


@pytest.mark.parametrize("function", CHECKPOINTS)
def test_checkpoints_are_found(run: Callable[..., Any], function: Function) -> None:
    """Rule 18.7: checkpoints are found."""

    async def main() -> None:
        with assert_checkpoints():
            await function()
        with (
            pytest.raises(AssertionError, match="a checkpoint in the block"),
            assert_no_checkpoints(),
        ):
            await function()

    for seed in SEEDS:  # a random schedule may give no budget at all
        run(main, seed=seed)


@pytest.mark.parametrize("function", ONLY_GIVE_WAY)
def test_giving_way_alone_is_no_checkpoint(run: Callable[..., Any], function: Function) -> None:
    async def main() -> None:
        with (
            pytest.raises(AssertionError, match="it yielded control, but did not look for a canc"),
            assert_checkpoints(),
        ):
            await function()
        with (
            pytest.raises(AssertionError, match="it yielded control, so others could run"),
            assert_no_checkpoints(),
        ):
            await function()

    for seed in SEEDS:
        run(main, seed=seed)


@pytest.mark.parametrize("function", NO_CHECKPOINTS)
def test_where_there_is_no_checkpoint_none_is_found(
    run: Callable[..., Any], function: Function
) -> None:
    """Rule 18.7: where there is none, none is found."""

    async def main() -> None:
        with assert_no_checkpoints():
            await function()
        with (
            pytest.raises(AssertionError, match="nothing in it can be cancelled or yields control"),
            assert_checkpoints(),
        ):
            await function()

    for seed in SEEDS:
        run(main, seed=seed)


def test_what_other_tasks_do_does_not_count(run: Callable[..., Any]) -> None:
    async def busy() -> None:
        for _ in range(10):
            await event_that_is_set()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(busy)
            with pytest.raises(AssertionError, match="did not look"), assert_checkpoints():
                await giambio.cancel_shielded_checkpoint()

    run(main)


def test_blocks_can_be_nested_and_follow_each_other(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with assert_checkpoints():
            with assert_no_checkpoints():
                pass
            await giambio.checkpoint()
            with assert_no_checkpoints():
                pass
            with assert_checkpoints():
                await event_that_is_set()

    run(main)


def test_a_block_that_ends_with_an_exception_keeps_it(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with pytest.raises(KeyError), assert_checkpoints():
            raise KeyError
        with giambio.CancelScope() as scope, assert_checkpoints():
            scope.cancel()
            await giambio.checkpoint()
        assert scope.cancelled_caught
        with pytest.raises(AssertionError) as caught, assert_no_checkpoints():
            await giambio.checkpoint()
            raise KeyError
        assert isinstance(caught.value.__context__, KeyError)

    run(main)


@pytest.mark.parametrize("block", [assert_checkpoints, assert_no_checkpoints])
def test_a_block_is_used_in_a_task_and_once(run: Callable[..., Any], block: Any) -> None:
    async def main() -> None:
        used = assert_no_checkpoints()
        with used:
            pass
        with pytest.raises(RuntimeError, match="was entered already; make a new one"), used:
            pass
        with pytest.raises(RuntimeError, match="is left, but was not entered"):
            block().__exit__(None, None, None)

    with pytest.raises(RuntimeError, match=r"start one with giambio\.run"), block():
        pass
    run(main)


# -- swallowed cancellations -------------------------------------------------------------------


async def swallow() -> None:
    """Wait, and keep the cancellation to itself."""
    try:
        await giambio.sleep_forever()
    except giambio.CancelledError:
        pass


async def pass_on() -> None:
    """Wait, clean up, and let the cancellation pass."""
    try:
        await giambio.sleep_forever()
    finally:
        with giambio.CancelScope(shield=True):
            await giambio.checkpoint()


def test_a_block_that_swallows_is_reported_with_its_places(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async def cancel(scope: giambio.CancelScope) -> None:
            await wait_all_tasks_blocked()
            scope.cancel("enough")

        with swallowed_cancellations() as report:
            async with giambio.TaskManager() as manager:
                with giambio.CancelScope() as scope:
                    manager.start_soon(cancel, scope)
                    await swallow()
        (found,) = report
        assert found.task == giambio.current_task().name
        assert found.reason == "enough"
        assert found.block is not None
        assert found.raised is not None
        assert found.block[::2] == (__file__, main.__qualname__)
        assert found.raised[::2] == (__file__, "swallow")
        assert str(found) == (
            f"task {found.task!r} swallowed a cancellation ('enough') in the block at "
            f"{__file__}:{found.block.line} in {main.__qualname__}; "
            f"it was raised at {__file__}:{found.raised.line} in swallow"
        )

    run(main)


def test_a_manager_whose_body_swallows_is_reported(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with swallowed_cancellations() as report:
            async with giambio.TaskManager() as manager:
                manager.cancel("all of you")
                await swallow()
        (found,) = report
        assert found.reason == "all of you"
        assert found.block is not None
        assert found.block.function == main.__qualname__

    run(main)


def test_a_task_that_swallows_is_reported(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with swallowed_cancellations() as report:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(swallow, name="careless")
                await wait_all_tasks_blocked()
                task.cancel()
        (found,) = report
        assert found.task == "careless"
        assert found.reason is None
        assert found.block == (__file__, swallow.__code__.co_firstlineno, "swallow")
        assert found.raised is not None
        assert found.raised.function == "swallow"

    run(main)


def test_where_it_did_not_wait_no_place_is_told(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with swallowed_cancellations() as report:
            with giambio.CancelScope() as scope:  # one that passes, and tells nothing of the next
                giambio.current_loop().call_soon(scope.cancel)
                await pass_on()
            await giambio.sleep(0.001)
            with giambio.CancelScope() as scope:
                scope.cancel()
                await swallow()
        assert [found.raised for found in report] == [None]

    run(main)


def test_a_shielded_clean_up_does_not_hide_the_place(run: Callable[..., Any]) -> None:
    async def careless() -> None:
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError:
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0.001)

    async def main() -> None:
        with swallowed_cancellations() as report, giambio.move_on_after(0.001):
            await careless()
        assert [found.raised and found.raised.function for found in report] == [
            careless.__qualname__
        ]

    run(main)


def test_cancellations_that_pass_are_not_reported(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with swallowed_cancellations(strict=True) as report:
            async with giambio.TaskManager() as manager:
                manager.start_soon(pass_on)
                (await manager.spawn(pass_on)).cancel()
                await wait_all_tasks_blocked()
                manager.cancel()
            with giambio.move_on_after(0.001):
                await pass_on()
            with pytest.raises(TimeoutError), giambio.fail_after(0.001):
                await pass_on()
            with giambio.move_on_after(60):
                await giambio.checkpoint()
        assert report == []

    run(main)


def test_strictly_it_is_an_error(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with swallowed_cancellations(strict=True):
            with giambio.move_on_after(0.001):
                await swallow()
            with giambio.move_on_after(0.001):
                await swallow()

    with pytest.raises(AssertionError) as caught:
        run(main)
    first, *found = str(caught.value).splitlines()
    assert first == "a cancellation must be allowed to pass:"
    assert len(found) == 2
    assert all("swallowed a cancellation ('the deadline has passed')" in line for line in found)


def test_strictly_another_exception_goes_first(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with swallowed_cancellations(strict=True):
            with giambio.move_on_after(0.001):
                await swallow()
            raise KeyError

    with pytest.raises(KeyError):
        run(main)


def test_after_the_block_nobody_listens(loop: giambio.EventLoop) -> None:
    async def main() -> None:
        with swallowed_cancellations() as report:
            pass
        with giambio.move_on_after(0.001):
            await swallow()
        assert report == []

    loop.start(main)


def test_it_is_used_in_a_loop_and_once(run: Callable[..., Any]) -> None:
    async def main() -> None:
        used = swallowed_cancellations()
        with used:
            pass
        with pytest.raises(RuntimeError, match="was entered already; make a new one"), used:
            pass
        with pytest.raises(RuntimeError, match="is left, but was not entered"):
            swallowed_cancellations().__exit__(None, None, None)

    with pytest.raises(RuntimeError, match="no giambio loop runs"), swallowed_cancellations():
        pass
    run(main)


# -- seeds ----------------------------------------------------------------------------------------


class Trace(giambio.Hook):
    """The order in which tasks had their turns."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def before_step(self, task: Any) -> None:
        self.steps.append(task.name)


async def traced() -> tuple[str, ...]:
    """Some tasks that share an event, a lock and the CPU: the order of their steps."""
    trace = Trace()
    lock = giambio.Lock()

    async def worker() -> None:
        for _ in range(5):
            async with lock:
                await giambio.checkpoint()
            await event_that_is_set()

    giambio.current_loop().add_hook(trace)
    async with giambio.TaskManager() as manager:
        for name in "abcde":
            manager.start_soon(worker, name=name)
    return tuple(trace.steps)


def test_the_same_seed_gives_the_same_run_and_another_one_another(
    run: Callable[..., Any],
) -> None:
    """Rule 2.3: the same seed gives the same run."""
    first = explore(traced, seeds=20)
    assert explore(traced, seeds=20) == first
    assert len(set(first)) == 20
    assert [run(traced, seed=seed) for seed in range(20)] == first
    assert explore(traced, seeds=[7, 3]) == [first[7], first[3]]


def test_a_race_is_found_and_its_seed_is_told(driver: str) -> None:
    counter = 0

    async def increment() -> None:
        nonlocal counter
        seen = counter
        await event_that_is_set()  # goes on at once, mostly
        counter = seen + 1

    async def main() -> None:
        nonlocal counter
        counter = 0
        async with giambio.TaskManager() as manager:
            for _ in range(5):
                manager.start_soon(increment)
        assert counter == 5

    with pytest.raises(AssertionError) as caught:
        explore(main, driver=driver)
    (note,) = (note for note in caught.value.__notes__ if note.startswith("giambio: "))
    seed = int(note.split()[4].rstrip(";"))
    assert note == (
        f"giambio: this was seed {seed}; run it alone with giambio.run(..., seed={seed}) "
        f"or explore(..., seeds=[{seed}])"
    )
    with pytest.raises(AssertionError):
        giambio.run(main, seed=seed)


def test_each_run_gets_a_clock_of_its_own() -> None:
    async def main(seconds: float) -> float:
        await giambio.sleep(seconds)
        return giambio.current_time()

    assert explore(main, 60, seeds=3, clock=VirtualClock) == [60, 60, 60]


def test_strict_is_for_the_loop() -> None:
    async def main() -> None:
        async with giambio.TaskManager():
            raise KeyError

    with pytest.raises(KeyError):
        explore(main, seeds=1)
    with pytest.raises(ExceptionGroup):
        explore(main, seeds=1, strict=True)


@pytest.mark.parametrize(
    ("seeds", "error", "message"),
    [
        (0, ValueError, r"explore\(seeds=0\) would run nothing at all"),
        ([], ValueError, r"explore\(seeds=\[\]\) would run nothing"),
        (-1, ValueError, "would run nothing"),
        (True, TypeError, "a number of runs or the seeds, not True"),
        ("12", TypeError, "a number of runs or the seeds, not '12'"),
        (None, TypeError, "not None"),
        ([1.5], TypeError, "seed= needs a whole number"),
    ],
)
def test_bad_seeds_are_refused(seeds: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        explore(nothing, seeds=seeds)


def test_it_needs_the_function_and_not_a_coroutine() -> None:
    with pytest.raises(TypeError, match=r"write explore\(main\), without the parentheses"):
        explore(nothing())  # type: ignore[arg-type]
