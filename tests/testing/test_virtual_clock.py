"""`giambio.testing.VirtualClock`: time jumps, but waits for work outside of the loop."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.testing import VirtualClock, wait_all_tasks_blocked
from support.kernel import finish, garbage_that_calls

#: How many real seconds a test may wait for what is bound to come.
SECONDS = 30


def real_seconds(run: Callable[..., Any], main: Any, clock: VirtualClock) -> float:
    """How long it really takes to run something."""
    before = time.monotonic()
    run(main, clock=clock)
    return time.monotonic() - before


# -- jumping ----------------------------------------------------------------------------


def test_a_day_of_sleep_takes_no_time(run: Callable[..., Any]) -> None:
    """Rules 2.5, 2.1: a day of sleep takes no time."""

    async def main() -> None:
        await giambio.sleep(86400)

    clock = VirtualClock()
    assert real_seconds(run, main, clock) < 5
    assert clock.now() == 86400


def test_everybody_wakes_at_his_own_time(run: Callable[..., Any]) -> None:
    """Rule 2.5: time jumps from deadline to deadline, not beyond one."""
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, naps: list[float]) -> None:
        for nap in naps:
            await giambio.sleep(nap)
            woken.append((name, giambio.current_time()))

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(sleeper, "a", [3, 4])
            manager.start_soon(sleeper, "b", [5, 0.5])
            manager.start_soon(sleeper, "c", [5])

    run(main, clock=VirtualClock(100))
    assert [time for _, time in woken] == [103, 105, 105, 105.5, 107]
    assert sorted(woken) == [("a", 103), ("a", 107), ("b", 105), ("b", 105.5), ("c", 105)]


def test_time_stands_still_while_anybody_can_run(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            sleeper = await manager.spawn(giambio.sleep, 0.001)
            for _ in range(1000):
                await giambio.checkpoint()
            assert not sleeper.done()
            assert giambio.current_time() == 0

    run(main, clock=VirtualClock())


def test_time_outs_are_on_virtual_time(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError), giambio.fail_after(3600):
            await giambio.sleep_forever()
        assert giambio.current_time() == 3600
        with giambio.move_on_after(60) as scope:
            await giambio.sleep(59)
        assert not scope.cancelled_caught
        assert giambio.current_time() == 3659
        scope = giambio.move_on_at(5000)
        with scope:
            scope.deadline = 4000
            await giambio.sleep_forever()
        assert giambio.current_time() == 4000

    run(main, clock=VirtualClock())


def test_callbacks_are_called_at_their_times(run: Callable[..., Any]) -> None:
    async def main() -> None:
        loop, called = giambio.current_loop(), []
        for delay in (20, 10, 30):
            loop.call_later(delay, lambda: called.append(giambio.current_time()))
        await giambio.sleep(25)
        assert called == [10, 20]

    run(main, clock=VirtualClock())


def test_thousands_of_jumps_cost_little(run: Callable[..., Any]) -> None:
    async def sleeper(number: int) -> None:
        await giambio.sleep(number)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for number in range(2000):
                manager.start_soon(sleeper, number)

    clock = VirtualClock()
    assert real_seconds(run, main, clock) < 20
    assert clock.now() == 1999


def test_what_can_be_received_comes_before_a_time_out(run: Callable[..., Any]) -> None:
    """The driver is asked before time jumps."""

    async def main() -> None:
        a, b = map(giambio.wrap_socket, socket.socketpair())

        async def answer() -> None:
            for _ in range(100):
                await b.send_all(await b.receive(10))

        with a, b:
            async with giambio.TaskManager() as manager:
                manager.start_soon(answer)
                for _ in range(100):
                    with giambio.fail_after(0.001):
                        await a.send_all(b"x")
                        assert await a.receive(10) == b"x"
        assert giambio.current_time() == 0

    run(main, clock=VirtualClock())


def test_a_loop_driven_by_turns_jumps_as_well(loop: giambio.EventLoop, driver: str) -> None:
    """Rules 1.2, 2.5: also when the loop is driven by turns."""
    clock = VirtualClock()
    by_turns = giambio.EventLoop(driver=driver, clock=clock)
    task = by_turns.begin(giambio.sleep, 50)
    turns = 0
    while not task.done():
        by_turns.turn()
        turns += 1
    by_turns.end()
    assert clock.now() == 50
    assert turns < 10

    task = by_turns.begin(giambio.sleep, 50)
    while not task.done():
        by_turns.driver_wait(by_turns.run_ready())
        by_turns.deliver()
    by_turns.end()
    assert clock.now() == 100
    by_turns.close()


def test_a_deadlock_is_noticed_in_spite_of_it(run: Callable[..., Any]) -> None:
    """Rule 11.19: with a virtual clock no armed timer is left either."""

    async def main() -> None:
        await giambio.sleep(10)
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main, clock=VirtualClock())


# -- by hand ------------------------------------------------------------------------------


def test_time_is_moved_by_hand(run: Callable[..., Any]) -> None:
    clock = VirtualClock(autojump_threshold=math.inf)
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await giambio.sleep(seconds)
        woken.append(seconds)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for seconds in (30, 10, 20, 40):
                manager.start_soon(sleeper, seconds)
            await wait_all_tasks_blocked()
            clock.jump(9.5)
            await wait_all_tasks_blocked()
            assert woken == []
            clock.jump(0.5)
            await wait_all_tasks_blocked()
            assert woken == [10]
            clock.jump_to(35)
            await wait_all_tasks_blocked()
            assert sorted(woken) == [10, 20, 30]
            clock.jump_to(3)  # that is over
            assert giambio.current_time() == 35
            clock.jump(5)

    run(main, clock=clock)
    assert sorted(woken) == [10, 20, 30, 40]


def test_time_is_moved_between_two_turns(driver: str) -> None:
    clock = VirtualClock(autojump_threshold=math.inf)
    loop = giambio.EventLoop(driver=driver, clock=clock)
    task = loop.begin(giambio.sleep, 7)
    for _ in range(5):
        loop.turn(0)
    assert not task.done()
    clock.jump(7)
    finish(loop, task)
    loop.close()


# -- real time -------------------------------------------------------------------------------


def test_the_threshold_is_real_time_in_which_nothing_happens(run: Callable[..., Any]) -> None:
    async def main() -> None:
        await giambio.sleep(100)
        await giambio.sleep(100)

    clock = VirtualClock(autojump_threshold=0.05)
    assert 0.1 <= real_seconds(run, main, clock) < 5
    assert clock.now() == 200


def test_a_deadline_that_wakes_nobody_begins_the_threshold_anew(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with giambio.move_on_after(10), giambio.CancelScope(shield=True):
            await giambio.sleep(20)

    assert real_seconds(run, main, VirtualClock(autojump_threshold=0.05)) >= 0.1


def test_the_quiet_begins_anew_when_the_look_for_a_deadlock_wakes_a_task(
    run: Callable[..., Any],
) -> None:
    """What a finalizer does while garbage is collected is something that happens."""
    waited: list[float] = []

    async def main() -> None:
        event = giambio.Event()
        with garbage_that_calls(event.set):
            await event.wait()  # the look collects the garbage
        before = time.monotonic()
        await giambio.sleep(100)
        waited.append(time.monotonic() - before)

    run(main, clock=VirtualClock(autojump_threshold=0.3))
    assert waited[0] >= 0.3


def test_the_threshold_gives_a_peer_outside_of_the_loop_time(run: Callable[..., Any]) -> None:
    asked = threading.Event()
    a, b = socket.socketpair()

    def peer() -> None:
        assert asked.wait(SECONDS)
        b.sendall(b"here")

    async def main() -> None:
        with giambio.wrap_socket(a) as sock, giambio.fail_after(1):
            giambio.current_loop().call_soon(asked.set)
            assert await sock.receive(10) == b"here"

    thread = threading.Thread(target=peer)
    thread.start()
    with b:
        run(main, clock=VirtualClock(autojump_threshold=SECONDS))
        thread.join()


def test_what_happens_begins_the_threshold_anew(run: Callable[..., Any]) -> None:
    """A conversation that goes on holds time, however long it takes."""
    a, b = socket.socketpair()

    def peer() -> None:
        for _ in range(10):
            assert b.recv(10)
            time.sleep(0.02)  # the work of a peer, less than the threshold
            b.sendall(b"y")

    async def main() -> None:
        with giambio.wrap_socket(a) as sock, giambio.fail_after(1):
            for _ in range(10):
                await sock.send_all(b"x")
                assert await sock.receive(10) == b"y"
        assert giambio.current_time() == 0

    thread = threading.Thread(target=peer)
    thread.start()
    with b:
        run(main, clock=VirtualClock(autojump_threshold=SECONDS))
        thread.join()


# -- jobs in threads ----------------------------------------------------------------------------


def test_a_job_in_a_thread_holds_time(run: Callable[..., Any]) -> None:
    """Its result may come before the next deadline, so that must not fire."""

    async def main() -> None:
        released = threading.Event()
        threading.Timer(0.05, released.set).start()
        with giambio.fail_after(1):
            assert await giambio.to_thread(released.wait, SECONDS)
        assert giambio.current_time() == 0
        await giambio.sleep(10)  # and now it goes on
        assert giambio.current_time() == 10

    run(main, clock=VirtualClock())


def test_held_time_costs_no_cpu(run: Callable[..., Any]) -> None:
    released = threading.Event()

    async def main() -> None:
        threading.Timer(0.5, released.set).start()
        before = time.process_time()
        async with giambio.TaskManager() as manager:
            manager.start_soon(giambio.sleep, 10)
            await giambio.to_thread(released.wait, SECONDS)
        assert time.process_time() - before < 0.25

    run(main, clock=VirtualClock())


def test_a_job_that_nobody_waits_for_does_not_hold_time(run: Callable[..., Any]) -> None:
    released = threading.Event()

    async def main() -> None:
        clock_moves = giambio.current_loop().call_soon
        with giambio.CancelScope() as scope:
            clock_moves(scope.cancel)
            await giambio.to_thread(released.wait, SECONDS, abandon_on_cancel=True)
        assert scope.cancelled_caught
        await giambio.sleep(10)
        released.set()

    run(main, clock=VirtualClock())


def test_a_thread_that_waits_for_the_loop_does_not_hold_time(run: Callable[..., Any]) -> None:
    """Else the two would wait for each other."""

    def in_thread() -> float:
        giambio.from_thread.run(giambio.sleep, 10)
        return giambio.from_thread.run_sync(giambio.current_time)

    async def main() -> None:
        with giambio.fail_after(20):
            assert await giambio.to_thread(in_thread) == 10

    run(main, clock=VirtualClock())


def test_a_job_of_the_last_run_does_not_hold_time(driver: str) -> None:
    released = threading.Event()
    loop = giambio.EventLoop(driver=driver, clock=VirtualClock())

    async def leave_it() -> None:
        giambio.current_loop().call_soon(giambio.current_task().cancel)
        await giambio.to_thread(released.wait, SECONDS, abandon_on_cancel=True)

    with pytest.raises(giambio.TaskCancelled):
        loop.start(leave_it)
    loop.start(giambio.sleep, 10)
    released.set()
    loop.start(giambio.sleep, 10)
    loop.close()


# -- the clock itself -----------------------------------------------------------------------------


def test_it_shows_its_time() -> None:
    clock = VirtualClock(1.5)
    assert repr(clock) == "<giambio.testing.VirtualClock at 1.5 s>"
    assert isinstance(clock, giambio.Clock)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: VirtualClock("now"), TypeError, r"VirtualClock\(\) needs a number for start"),  # type: ignore[arg-type]
        (lambda: VirtualClock(math.nan), ValueError, "start, not NaN"),
        (lambda: VirtualClock(math.inf), ValueError, "a time to begin with, not infinity"),
        (
            lambda: VirtualClock(autojump_threshold=-1),
            ValueError,
            r"VirtualClock\(\) needs a number of seconds from 0 up for autojump_threshold, not -1",
        ),
        (lambda: VirtualClock(autojump_threshold=math.nan), ValueError, "not NaN"),
        (lambda: VirtualClock().jump(-1), ValueError, "not -1; time does not go back"),
        (lambda: VirtualClock().jump(math.inf), ValueError, "from 0 up, not inf"),
        (lambda: VirtualClock().jump(None), TypeError, "needs a number for seconds, not None"),  # type: ignore[arg-type]
        (lambda: VirtualClock().jump_to(math.inf), ValueError, "cannot reach infinity"),
        (lambda: VirtualClock().jump_to("noon"), TypeError, "a number for deadline, not 'noon'"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_refused(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_it_is_final() -> None:
    """Rule 20.4: public classes are final."""
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (VirtualClock,), {})
