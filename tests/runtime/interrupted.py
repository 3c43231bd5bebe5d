"""A signal handler raises at a random moment; run by `test_signal_handler_raises.py`.

``python interrupted.py FIRST_SEED LAST_SEED``. Whatever the moment, also one inside the runtime,
each task that has begun a `try` runs its `finally` before `run` returns, and the error that comes
out is the handler's own: no error that blames the program for what the handler did.
"""

from __future__ import annotations

import random
import signal
import sys
import warnings
from contextlib import suppress
from typing import Any

import giambio

#: Enough that the clock comes first.
ROUNDS = 40


class Interruption(Exception):
    pass


class Program:
    def __init__(self) -> None:
        self.begun: set[object] = set()
        self.ended: set[object] = set()

    async def main(self) -> None:
        await self.watched(self.work)

    async def watched(self, function: Any, *args: Any) -> None:
        token = object()
        try:
            self.begun.add(token)
            await function(*args)
        finally:
            self.ended.add(token)

    async def work(self) -> None:
        one, other = giambio.socketpair()
        with one, other:
            for _ in range(ROUNDS):
                async with giambio.TaskManager() as manager:
                    for number in range(5):
                        await manager.spawn(self.watched, self.sleep, number)
                    manager.start_soon(self.watched, one.send_all, b"x")
                    await other.receive(1)
                with giambio.move_on_after(0.0001):
                    await giambio.sleep_forever()
                await giambio.to_thread(int)
                await self.watched(self.stops)
                await self.watched(self.blocks)

    async def stops(self) -> None:
        async with giambio.TaskManager() as manager:
            for _ in range(3):
                await manager.spawn(self.watched, giambio.wait_stopping)
            await giambio.checkpoint()
            manager.stop(grace=float("inf"))

    async def blocks(self) -> None:
        lock = giambio.Lock()
        with giambio.CancelScope() as outer:
            async with giambio.TaskManager(limit=2) as manager:
                for _ in range(3):
                    await manager.spawn(self.watched, self.locked, lock)
                task = await manager.start(self.server)
                with giambio.fail_after(60), giambio.CancelScope(shield=True):
                    await giambio.to_thread(giambio.from_thread.run, giambio.sleep, 0)
                task.cancel()
                with suppress(giambio.TaskCancelled):
                    await task
            outer.cancel()
            await giambio.sleep_forever()

    async def locked(self, lock: giambio.Lock) -> None:
        async with lock:
            await giambio.checkpoint()

    async def server(self, task_status: giambio.TaskStatus) -> None:
        task_status.started(giambio.current_task())
        await self.watched(giambio.sleep_forever)

    async def sleep(self, number: int) -> None:
        for _ in range(number):
            await giambio.sleep(0)
        await giambio.sleep(0.0002)


def interrupt(*_: object) -> None:
    raise Interruption


def failures(exc: BaseException) -> list[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        return [failure for inner in exc.exceptions for failure in failures(inner)]
    return [exc]


def attempt(seed: int) -> None:
    program = Program()
    ended: BaseException | None = None
    try:
        signal.setitimer(signal.ITIMER_REAL, random.Random(seed).uniform(0.0003, 0.03))
        try:
            giambio.run(program.main)
        except BaseException as exc:
            ended = exc
    except Interruption:  # outside of `run`
        ended = None
    with suppress(Interruption):
        signal.setitimer(signal.ITIMER_REAL, 0)
    if ended is not None:
        problems = [exc for exc in failures(ended) if not isinstance(exc, Interruption)]
        if problems:
            print(f"{seed}: {problems!r}")
        if left := len(program.begun - program.ended):
            print(f"{seed}: {left} of {len(program.begun)} tasks did not run their `finally`")


def main() -> None:
    warnings.simplefilter("ignore")  # what the interrupted program did not await or close
    sys.unraisablehook = lambda _: None  # raised in a destructor, an error is nobody's
    signal.signal(signal.SIGALRM, interrupt)
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        attempt(seed)
    print("done")


if __name__ == "__main__":
    main()
