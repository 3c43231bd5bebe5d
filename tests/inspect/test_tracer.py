"""`Tracer`: what a loop does, in a file that Perfetto opens."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
import giambio.asyncio
from giambio.testing import wait_all_tasks_blocked
from support.traces import checked, names_of, read, tracks

Run = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trace.json"


async def busy() -> None:
    """Something of everything: queues, locks, scopes, callbacks, cancellations, failures."""
    queue = giambio.Queue[int](2)
    lock = giambio.Lock()

    async def work() -> None:
        while True:
            await queue.get()
            async with lock:
                with giambio.move_on_after(60), giambio.CancelScope(shield=True):
                    await giambio.sleep(0.001)

    async with giambio.TaskManager() as manager:
        for number in range(3):
            await manager.spawn(work, name=f"worker {number}")
        await wait_all_tasks_blocked()
        for number in range(10):
            await queue.put(number)
        event = giambio.Event()
        giambio.current_loop().call_soon(event.set)
        await event.wait()
        await giambio.to_thread(int)
        with pytest.raises(ValueError, match="a mistake"):
            async with giambio.TaskManager() as inner:
                inner.start_soon(fail)
        manager.cancel()


async def fail() -> None:
    await giambio.checkpoint()
    raise ValueError("a mistake")


def test_a_trace_keeps_to_the_format(run: Run, path: Path) -> None:
    """Rule 27.8: slices nest, and every arrow has both its ends."""

    async def main() -> None:
        with giambio.Tracer(path):
            await busy()

    run(main)
    events = checked(read(path))
    assert {"worker 0 (2)", "worker 1 (3)", "worker 2 (4)", "loop"} <= tracks(events).keys()
    waits = {"waits: Queue.get()", "waits: Lock.acquire()", "waits: sleep()"}
    assert waits | {"running", "scope", "shielded scope"} <= names_of(events, "B")
    assert {"turn", "Event.set"} <= {name.split(" of ")[0] for name in names_of(events, "X")}
    assert {"ready", "lag in ms", "items in Queue 1"} <= names_of(events, "C")


def test_an_arrow_leads_from_who_wakes_to_who_is_woken(run: Run, path: Path) -> None:
    """Rule 27.8."""

    async def main() -> None:
        event = giambio.Event()
        with giambio.Tracer(path):
            async with giambio.TaskManager() as manager:
                manager.start_soon(event.wait, name="waiter")
                await wait_all_tasks_blocked()
                event.set()

    run(main)
    events = checked(read(path))
    numbers = {tid: name for name, tid in tracks(events).items()}
    starts = {one["id"]: numbers[one["tid"]] for one in events if one["ph"] == "s"}
    arrows = [(starts[one["id"]], numbers[one["tid"]]) for one in events if one["ph"] == "f"]
    main_name = next(name for name in numbers.values() if name.endswith("(1)"))
    assert arrows.count((main_name, "waiter (2)")) == 2  # it was spawned, and woken
    assert ("waiter (2)", main_name) in arrows  # it has ended


def test_what_was_there_before_is_in_it(run: Run, path: Path) -> None:
    """Rule 27.8: tasks that wait when the trace begins, and scopes that are left in it."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(giambio.sleep_forever, name="early")
            await wait_all_tasks_blocked()
            scope = giambio.CancelScope()
            with scope:
                tracer = giambio.Tracer(path)
                tracer.__enter__()
                await giambio.checkpoint()
            await giambio.checkpoint()
            tracer.__exit__(None, None, None)
            manager.cancel()

    run(main)
    events = checked(read(path))
    early = tracks(events)["early (2)"]
    assert [one["name"] for one in events if one["tid"] == early and one["ph"] == "B"] == [
        "waits: sleep_forever()"
    ]


def test_a_cancelled_block_leaves_a_complete_file(run: Run, path: Path) -> None:
    """Rule 27.8."""

    async def main() -> None:
        with giambio.move_on_after(0.01), giambio.Tracer(path):
            await giambio.sleep_forever()

    run(main)
    checked(read(path))


def test_a_crash_leaves_a_readable_file(path: Path) -> None:
    """Rule 27.8: what has happened is in the file while the program goes on, or hangs."""
    program = (
        "import giambio, time\n"
        "async def main():\n"
        f"    with giambio.Tracer({str(path)!r}):\n"
        "        async with giambio.TaskManager() as manager:\n"
        "            manager.start_soon(giambio.sleep_forever)\n"
        "            await giambio.sleep(0.01)\n"
        "            print(flush=True)\n"
        "            time.sleep(1000)\n"
        "giambio.run(main)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while "sleep_forever" not in path.read_text():
            pass
        process.send_signal(signal.SIGKILL)
    events = checked(read(path, complete=False), complete=False)
    assert "waits: sleep_forever()" in names_of(events, "B")


def test_a_deadlock_is_seen_while_a_trace_is_written(run: Run, path: Path) -> None:
    """Rule 27.9."""

    async def main() -> None:
        with giambio.Tracer(path):
            await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main)
    checked(read(path))


def test_more_than_can_wait_is_written_at_once(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("giambio.inspect.recorder.MOST_EVENTS", 10)

    async def main() -> None:
        with giambio.Tracer(path):
            await busy()

    run(main)
    checked(read(path))


def test_mistakes_are_refused(run: Run, path: Path, tmp_path: Path) -> None:
    """Rule 19.1."""
    tracer = giambio.Tracer(path)
    with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
        tracer.__enter__()

    async def main() -> None:
        with tracer, pytest.raises(RuntimeError, match="entered already; make a new one"):
            tracer.__enter__()
        with pytest.raises(FileNotFoundError):
            giambio.Tracer(tmp_path / "nowhere" / "trace.json").__enter__()

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_file_that_cannot_be_written_is_an_error_in_the_end(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="No space left"), giambio.Tracer("/dev/full"):
            await busy()

    run(main)


def test_an_object_that_cannot_be_shown_does_not_end_the_program(path: Path) -> None:
    """Rule 27.8: a hook that raises would do that."""

    class Nameless(asyncio.Future[None]):
        def __repr__(self) -> str:
            raise ValueError("it has no name")

    async def main() -> None:
        with giambio.Tracer(path):
            future = Nameless()
            asyncio.get_running_loop().call_soon(future.set_result, None)
            await future

    giambio.asyncio.run(main())
    waits = [event["args"] for event in checked(read(path)) if "on" in event.get("args", ())]
    assert {"on": "<Nameless, whose repr raised ValueError>"} in waits


def test_a_recording_that_cannot_begin_leaves_no_thread(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 27.9: the writer ends with it."""

    def fail(recorder: object) -> None:
        raise MemoryError

    async def main() -> None:
        with pytest.raises(MemoryError), giambio.Tracer(path):
            pass

    monkeypatch.setattr("giambio.inspect.recorder.Recorder.start", fail)
    run(main)
    assert "giambio-tracer" not in {thread.name for thread in threading.enumerate()}
