"""Random misuse of operations: driven by hand, twice, by two tasks, closed, dropped halfway.

Run as a program by `test_misuse.py`, because the price of a mistake is a crash or a loop that
nothing can interrupt: ``python misuse.py FIRST_SEED LAST_SEED``. Every program is inside of a
scope with a deadline, so it ends unless a task is out of the reach of cancellation. Whatever
misuse raises is fine.
"""

from __future__ import annotations

import gc
import random
import sys
import types
import warnings
from collections.abc import Callable, Generator
from typing import Any

import giambio

ACTIONS = 60
SECONDS = 0.02


class Program:
    """One loop's worth of random actions by a few tasks on shared operations."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.operations: list[Any] = []
        #: Few kinds of operations in each program, for the same reason.
        self.kinds = [self.random.randrange(100) for _ in range(2)]
        self.event = giambio.Event()
        self.lock = giambio.Lock()
        self.semaphore = giambio.Semaphore(1)
        self.condition = giambio.Condition()
        self.barrier = giambio.Barrier(2)
        self.limiter = giambio.CapacityLimiter(1)
        self.queue: giambio.Queue[int] = giambio.Queue(1)
        self.sender, self.receiver = giambio.open_channel[int](0)
        self.sockets = giambio.socketpair()
        self.tasks: list[Any] = []

    async def main(self) -> None:
        with giambio.move_on_after(SECONDS):
            async with giambio.TaskManager() as manager:
                for _ in range(3):
                    self.tasks.append(manager.start_soon(self.act_often))
        for sock in self.sockets:
            sock.close_now()
        self.operations.clear()
        gc.collect()

    async def act_often(self) -> None:
        for _ in range(ACTIONS):
            action = self.random.choice(self.actions())
            try:
                await action()
            except Exception:
                pass

    def actions(self) -> list[Callable[[], Any]]:
        by_hand = [self.step, self.step, self.ask_for_iterator, self.close, self.throw, self.drop]
        return [self.make, self.make, *by_hand, self.wait, self.share, self.give, self.give]

    async def make(self) -> None:
        makers: list[Callable[[], Any]] = [
            *(self.event.wait, self.lock.acquire, self.semaphore.acquire, self.limiter.acquire),
            *(self.condition.acquire, self.condition.wait, self.barrier.wait, self.queue.get),
            *(self.receiver.receive, giambio.checkpoint),
            *(giambio.sleep_forever, self.queue.join),
            lambda: self.queue.put(1),
            lambda: self.sender.send(1),
            lambda: giambio.sleep(0.001),
            lambda: self.sockets[0].receive(1),
            lambda: self.sockets[1].send_all(b"x"),
            lambda: self.random.choice(self.tasks).join(),
            lambda: giambio.to_thread(int),
        ]
        self.operations.append(makers[self.random.choice(self.kinds) % len(makers)]())

    def one(self) -> Any:
        """Return an operation, rather one of the last, so that many actions meet in one."""
        return self.random.choice(self.operations[-3:])

    async def step(self) -> None:
        next(self.one())

    async def ask_for_iterator(self) -> None:
        self.operations.append(self.one().__await__())

    async def close(self) -> None:
        self.one().close()

    async def throw(self) -> None:
        self.one().throw(KeyError("thrown by hand"))

    async def drop(self) -> None:
        self.operations.remove(self.one())

    async def wait(self) -> None:
        with giambio.move_on_after(self.random.choice([0, 0.001])):
            await self.one()

    async def share(self) -> None:
        operation = self.one()
        with giambio.move_on_after(self.random.choice([0, 0.001])):
            async with giambio.TaskManager() as manager:
                for _ in range(2):
                    manager.start_soon(delegate, operation)

    async def give(self) -> None:
        givers: list[Callable[[], Any]] = [
            *(self.event.set, self.event.clear, self.lock.release, self.semaphore.release),
            *(self.limiter.release, self.condition.notify_all, self.queue.get_nowait),
            *(self.receiver.receive_nowait, self.queue.task_done),
            lambda: self.queue.put_nowait(1),
            lambda: self.sender.send_nowait(1),
            lambda: self.random.choice(self.tasks).cancel(),
        ]
        self.random.choice(givers)()


async def run_program(seed: int) -> None:
    await Program(seed).main()


@types.coroutine
def delegate(operation: Any) -> Generator[Any, Any, Any]:
    return (yield from operation)


def main() -> None:
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    first, last = map(int, sys.argv[1:])
    for seed in range(first, last):
        print(seed, flush=True)
        try:
            giambio.run(run_program, seed, detect_deadlocks=False)
        except Exception:
            pass
        except BaseExceptionGroup:
            pass
    print("done")


if __name__ == "__main__":
    main()
