"""`open_signal_receiver`: real signals, sent to this process and to others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import giambio
from giambio import signals as room
from support.signals import handler_refused
from support.threads import LONG

Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="signals cannot be sent to another process there"
)


@pytest.fixture(autouse=True)
def everything_is_restored() -> Iterator[None]:
    """Rule 12.3: all is as it was."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
    before = [signal.getsignal(number) for number in numbers]
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    yield
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(descriptor) == descriptor
    assert room.receivers == {}
    assert room.handlers == {}


def send(number: int) -> None:
    """Send a signal to this process, and have Python call the handler."""
    os.kill(os.getpid(), number)
    signal.sigpending()  # any call into C will do: the handler has run when it returns


def test_a_signal_comes_to_the_task(run: Run) -> None:
    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGUSR1) as received:
            send(signal.SIGUSR1)
            number = await anext(received)
            assert number is signal.SIGUSR1

    run(main)


def test_it_wakes_a_loop_that_waits(run: Run) -> None:
    """Rule 12.10: signals wake the loop."""

    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGUSR1) as received:
            timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            assert await anext(received) == signal.SIGUSR1
            timer.join()

    run(main)


def test_it_wakes_a_loop_that_is_driven_by_turns(loop: giambio.EventLoop) -> None:
    """Such a loop has set no descriptor for Python to write to."""

    async def main() -> int:
        with giambio.open_signal_receiver(signal.SIGUSR1) as received:
            timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            number = await anext(received)
            timer.join()
            return number

    task = loop.begin(main)
    while not task.done():
        loop.turn()
    assert loop.end() == signal.SIGUSR1


def test_several_signals_come_in_their_order(run: Run) -> None:
    sent = [signal.SIGHUP, signal.SIGUSR2, signal.SIGTERM, signal.SIGUSR1]

    async def main() -> None:
        got = []
        with giambio.open_signal_receiver(*sent) as received:
            for number in sent:
                send(number)
            async for number in received:
                got.append(number)
                if len(got) == 4:
                    break
        assert got == sent

    run(main)


def test_one_that_comes_again_before_it_was_taken_is_one(run: Run) -> None:
    """As Trio documents: signals coalesce."""

    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as received:
            for _ in range(5):
                send(signal.SIGUSR1)
            send(signal.SIGUSR2)
            assert [await anext(received), await anext(received)] == [
                signal.SIGUSR1,
                signal.SIGUSR2,
            ]
            with giambio.move_on_after(0.01) as scope:
                await anext(received)
            assert scope.cancelled_caught
            send(signal.SIGUSR1)
            assert await anext(received) == signal.SIGUSR1

    run(main)


def test_a_real_time_signal_is_a_number(run: Run) -> None:
    number = signal.SIGRTMIN + 3

    async def main() -> int:
        with giambio.open_signal_receiver(number) as received:
            send(number)
            return int(await anext(received))

    assert run(main) == number


# -- cancellation --------------------------------------------------------------------------


def test_cancelled_no_signal_is_lost(run: Run) -> None:
    """Rule 12.11: a cancelled operation did not happen."""

    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGUSR1) as received:
            send(signal.SIGUSR1)
            with giambio.CancelScope() as scope:
                scope.cancel()
                await anext(received)
            assert scope.cancelled_caught
            assert await anext(received) == signal.SIGUSR1

    run(main)


def test_cancelled_in_the_turn_in_which_it_comes(run: Run) -> None:
    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGUSR1) as received:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(received.__anext__)
                for _ in range(3):
                    await giambio.checkpoint()
                send(signal.SIGUSR1)
                task.cancel()
            if task.cancelled():
                assert await anext(received) == signal.SIGUSR1
            else:
                assert task.result() == signal.SIGUSR1

    run(main)


def test_iterating_gives_way(run: Run) -> None:
    """Rule 4.1: also when a signal has come already."""

    async def main() -> None:
        others = []

        async def other() -> None:
            others.append(1)

        with giambio.open_signal_receiver(signal.SIGUSR1) as received:
            async with giambio.TaskManager() as manager:
                await manager.spawn(other)
                for _ in range(100):
                    send(signal.SIGUSR1)
                    await anext(received)
                assert others

    run(main)


# -- before and after ----------------------------------------------------------------------


def test_what_nobody_took_goes_where_it_would_have_gone(run: Run) -> None:
    """Rule 12.11: as Trio does: signals pending at the end are delivered again."""
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))

    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as received:
            send(signal.SIGUSR1)
            send(signal.SIGUSR2)
            assert await anext(received) == signal.SIGUSR1
            send(signal.SIGUSR1)
            assert await anext(received) == signal.SIGUSR2
            assert seen == []
        assert seen == [signal.SIGUSR1]
        send(signal.SIGUSR1)
        assert seen == [signal.SIGUSR1] * 2

    try:
        run(main)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_of_nested_receivers_the_innermost_gets_it(run: Run) -> None:
    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as outer:
            with giambio.open_signal_receiver(signal.SIGUSR1) as inner:
                send(signal.SIGUSR1)
                send(signal.SIGUSR2)
                assert await anext(inner) == signal.SIGUSR1
                assert await anext(outer) == signal.SIGUSR2
                send(signal.SIGUSR1)
            # Not taken by the inner one, so it went on to the outer one.
            assert await anext(outer) == signal.SIGUSR1
            send(signal.SIGUSR1)
            assert await anext(outer) == signal.SIGUSR1

    run(main)


def test_receivers_may_be_left_in_any_order(run: Run) -> None:
    """Two tasks open receivers as they like; neither takes the other's away."""

    async def main() -> None:
        first = giambio.open_signal_receiver(signal.SIGUSR1)
        second = giambio.open_signal_receiver(signal.SIGUSR1)
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        send(signal.SIGUSR1)
        assert await anext(second) == signal.SIGUSR1
        second.__exit__(None, None, None)

    run(main)


def test_leaving_the_block_ends_who_waits(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with giambio.open_signal_receiver(signal.SIGUSR1) as received:
                task = await manager.spawn(outcome, received)
                for _ in range(3):
                    await giambio.checkpoint()
        assert isinstance(task.result(), giambio.ClosedResourceError)
        with pytest.raises(giambio.ClosedResourceError, match="is not open"):
            await anext(received)

    run(main)


async def outcome(received: Any) -> object:
    """What the next signal is, or the exception."""
    try:
        return await anext(received)
    except Exception as exc:
        return exc


def test_a_failing_block_restores_too(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(KeyError), giambio.open_signal_receiver(signal.SIGUSR1):
            raise KeyError

    run(main)


class Boom(BaseException):
    """Ends a loop from outside."""


def test_an_interrupted_loop_restores_too(loop: giambio.EventLoop) -> None:
    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGUSR1) as received:
            loop._stop_between_steps(Boom())
            await anext(received)

    with pytest.raises(Boom):
        loop.start(main)


# -- mistakes ------------------------------------------------------------------------------


def test_without_a_signal_it_says_so() -> None:
    with pytest.raises(TypeError, match=r"at least one signal, such as signal.SIGTERM"):
        giambio.open_signal_receiver()


@pytest.mark.parametrize("what", ["SIGTERM", None, True, 1.0])
def test_what_is_no_signal_is_refused(what: Any) -> None:
    with pytest.raises(TypeError, match=r"needs signals such as signal\.SIGTERM, not"):
        giambio.open_signal_receiver(what)


@pytest.mark.parametrize("number", [0, -1, 1000])
def test_a_number_that_is_no_signal_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="this system has no signal"):
        giambio.open_signal_receiver(number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_what_nobody_can_receive_is_refused(number: int) -> None:
    """Rule 19.1: named at the call."""
    with pytest.raises(ValueError, match=r"no program can catch SIG(KILL|STOP)"):
        giambio.open_signal_receiver(number)


def test_a_handler_that_cannot_be_installed_is_an_error_and_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        receiver = giambio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2)
        with handler_refused(signal.SIGUSR2):
            receiver.__enter__()
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL

    run(main)


def test_outside_of_a_loop_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="no giambio loop runs"):
        giambio.open_signal_receiver(signal.SIGUSR1).__enter__()


def test_in_another_thread_it_says_so(driver: str) -> None:
    errors: list[BaseException] = []

    async def main() -> None:
        giambio.open_signal_receiver(signal.SIGUSR1).__enter__()

    def thread() -> None:
        try:
            giambio.run(main, driver=driver)
        except RuntimeError as exc:
            errors.append(exc)

    one = threading.Thread(target=thread)
    one.start()
    one.join(LONG)
    assert "only in the main thread" in str(errors[0])


def test_a_receiver_is_used_once(run: Run) -> None:
    async def main() -> None:
        receiver = giambio.open_signal_receiver(signal.SIGUSR1)
        with pytest.raises(giambio.ClosedResourceError):
            await anext(receiver)
        with receiver:
            pass
        with pytest.raises(RuntimeError, match="was used already"):
            receiver.__enter__()

    run(main)


def test_two_tasks_cannot_wait_for_the_next_one(run: Run) -> None:
    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGUSR1) as received:
            async with giambio.TaskManager() as manager:
                first = await manager.spawn(outcome, received)
                for _ in range(100):  # until it waits, in whatever order tasks run
                    await giambio.checkpoint()
                second = await manager.spawn(outcome, received)
                await second
                assert isinstance(second.result(), giambio.BusyResourceError)
                send(signal.SIGUSR1)
            assert first.result() == signal.SIGUSR1

    run(main)


# -- with the rest of the runtime ------------------------------------------------------------


def test_an_open_receiver_is_no_deadlock_and_a_closed_one_hides_none(run: Run) -> None:
    """Rule 11.7: an open signal receiver."""

    async def main() -> None:
        event = giambio.Event()

        async def listen() -> None:
            with giambio.open_signal_receiver(signal.SIGUSR1) as received:
                await anext(received)
                event.set()

        async with giambio.TaskManager() as manager:
            await manager.spawn(listen)
            sender = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    f"import os, time; time.sleep(0.3); os.kill({os.getpid()}, {signal.SIGUSR1})",
                ]
            )
            await event.wait()
            sender.wait()
        with pytest.raises(giambio.DeadlockError):
            await giambio.Event().wait()

    run(main)


def test_it_takes_ctrl_c_over_and_gives_it_back(run: Run) -> None:
    """Rule 12.11: a receiver takes SIGINT over."""
    reasons: list[object] = []

    async def main() -> None:
        with giambio.open_signal_receiver(signal.SIGINT) as received:
            send(signal.SIGINT)
            assert await anext(received) == signal.SIGINT
            await giambio.checkpoint()
        try:
            send(signal.SIGINT)
            await giambio.sleep(LONG)
        except giambio.CancelledError as exc:
            reasons.append(exc.reason)
            raise

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert reasons == ["Ctrl-C"]


def test_it_takes_a_stop_signal_over_and_gives_it_back(run: Run) -> None:
    async def main() -> str:
        with giambio.open_signal_receiver(signal.SIGTERM) as received:
            send(signal.SIGTERM)
            await anext(received)
            await giambio.checkpoint()
        try:
            send(signal.SIGTERM)
            await giambio.sleep(LONG)
        except giambio.CancelledError as exc:
            return str(exc.reason)
        return "not stopped"

    assert run(main, stop_signals=[signal.SIGTERM], grace=0) == "SIGTERM"


def test_many_signals_while_the_loop_is_busy(run: Run) -> None:
    """Each one sent is seen, though not each one by itself."""

    async def main() -> None:
        seen = 0
        with giambio.open_signal_receiver(signal.SIGUSR1) as received:
            async with giambio.TaskManager() as manager:

                async def busy() -> None:
                    while seen < 200:
                        await giambio.checkpoint()

                await manager.spawn(busy)
                for _ in range(200):
                    os.kill(os.getpid(), signal.SIGUSR1)
                    assert await anext(received) == signal.SIGUSR1
                    seen += 1

    run(main)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_the_handlers_of_before(run: Run) -> None:
    """Else nobody could terminate it."""

    async def main() -> int:
        with giambio.open_signal_receiver(signal.SIGTERM) as received:
            pid = os.fork()
            if pid == 0:
                try:
                    os.kill(os.getpid(), signal.SIGTERM)
                    signal.sigpending()
                finally:
                    os._exit(3)
            _, status = os.waitpid(pid, 0)
            send(signal.SIGTERM)
            assert await anext(received) == signal.SIGTERM
            return os.waitstatus_to_exitcode(status)

    assert run(main) == -signal.SIGTERM


PROGRAM = """
import os, signal, sys
import giambio

async def main():
    with giambio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as received:
        print("ready", flush=True)
        async for number in received:
            print(number.name, flush=True)
            if number is signal.SIGHUP:
                continue
            os.kill(os.getpid(), signal.SIGTERM)
            break
    print("not reached")

giambio.run(main, driver=sys.argv[1])
"""


def test_a_service_and_its_signals_from_outside(driver: str) -> None:
    """Reload, reload, stop; and a second SIGTERM that nobody took ends the process."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, driver],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
        process.send_signal(number)
        assert process.stdout.readline() == f"{number.name}\n"
    rest, _ = process.communicate(timeout=LONG)
    assert rest == ""
    assert process.returncode == -signal.SIGTERM
