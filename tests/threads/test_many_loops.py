"""Several loops at once, each in a thread of its own, also where threads do not take turns."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.kernel.callbacks import Handle
from support.threads import LONG

Run = Callable[..., Any]

TESTS = Path(__file__).resolve().parents[1]
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
#: Imports all that giambio has, AnyIO's part too if that is there.
IMPORT_ALL = """
import importlib, pkgutil, sys
import giambio
for module in pkgutil.walk_packages(giambio.__path__, "giambio."):
    if module.name != "giambio.__main__":
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as missing:
            assert not missing.name.startswith("giambio"), missing
print(sys._is_gil_enabled())
"""


def in_threads(count: int, function: Callable[[int], object]) -> None:
    """Call a function in some threads at once, and raise the first failure of one."""
    failures: list[BaseException] = []
    barrier = threading.Barrier(count)

    def work(number: int) -> None:
        try:
            barrier.wait(LONG)
            function(number)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_loops_in_threads_talk_in_every_way(driver: str) -> None:
    """Rules 1.7, 1.16: sockets, portals, thread-safe calls; loops come and go, calls are
    cancelled. CI runs it for a minute on a Python without a GIL.
    """
    command = [sys.executable, "-m", "support.many_loops", "--seconds", "1.5"]
    done = subprocess.run(
        [*command, "--driver", driver],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not FREE_THREADED, reason="this Python has a GIL")
def test_importing_giambio_keeps_the_gil_off() -> None:
    """Rule 1.19: a compiled module that does not say that it works without would switch it on."""
    command = [sys.executable, "-W", "error", "-c", IMPORT_ALL]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHON_GIL"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


def test_no_thread_finds_operations_of_another(driver: str) -> None:
    """Each loop uses its operations again, and the thread that drops one need not be its own."""
    dropped: list[Any] = []

    async def main(number: int) -> None:
        async with giambio.TaskManager() as manager:
            for _ in range(2000):
                task = await manager.spawn(giambio.checkpoint)
                await task.join()
                sleep = giambio.sleep(0.0001)
                await sleep
                dropped.append(sleep)
                del sleep
                while len(dropped) > 100:
                    dropped.pop()  # done with, and made by any of the threads

    in_threads(4, lambda number: giambio.run(main, number, driver=driver))


def test_a_loop_that_ends_settles_every_call_that_threads_make(driver: str) -> None:
    """Rule 7.23: each has a result or an error, however close to the end it comes."""
    made: list[tuple[giambio.EventLoop, giambio.TaskManager]] = []
    others = 3

    def caller() -> None:
        for _ in range(100):
            while not made:
                if over.is_set():
                    return
            loop, manager = made[-1]
            try:
                future = manager.spawn_threadsafe(giambio.checkpoint)
                loop.call_soon_threadsafe(int)
                assert future.result(LONG) is None
            except giambio.RunFinishedError:
                pass

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            made.append((giambio.current_loop(), manager))
            await giambio.checkpoint()

    def work(number: int) -> None:
        if number < others:
            caller()
            return
        for _ in range(100):
            giambio.run(main, driver=driver)
        over.set()

    over = threading.Event()
    in_threads(others + 1, work)


def test_a_handle_cancelled_by_another_thread_is_not_called(run: Run) -> None:
    """A handle that was cancelled before its turn is never called."""
    called: list[int] = []

    async def main() -> None:
        loop = giambio.current_loop()
        handles: list[Handle] = [loop.call_later(0.01, called.append, 1)]
        handles.append(loop.call_soon(called.append, 2))
        for handle in handles:
            thread = threading.Thread(target=handle.cancel)
            thread.start()
            thread.join()
        assert all(handle.cancelled() for handle in handles)
        await giambio.sleep(0.05)

    run(main)
    assert called == []


def test_loops_wrap_sockets_and_hand_out_standard_streams_at_once(driver: str) -> None:
    """What belongs to the process may be asked for by several loops."""

    async def main(number: int) -> None:
        for _ in range(50):
            left, right = giambio.socketpair()
            async with left, right:
                await left.send_all(b"x")
                assert await right.receive() == b"x"

    in_threads(4, lambda number: giambio.run(main, number, driver=driver))
    with pytest.raises(RuntimeError, match="another loop uses stderr"):
        in_threads(2, lambda number: giambio.run(use_stderr, barrier, driver=driver))


barrier = threading.Barrier(2)


async def use_stderr(barrier: threading.Barrier) -> None:
    """Ask for it, and have it until the other loop has asked as well."""
    try:
        giambio.stderr()
    finally:
        barrier.wait(LONG)
