"""What the stateful tests share: a loop driven by Hypothesis, one turn at a time.

Each example is a program that Hypothesis invents: which tasks begin, which are cancelled and
when, and how far the loop goes in between. Its schedule is random as well, from a seed that is
part of the example, so that a failure is found again and shrunk.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

import giambio

#: How many programs each test invents, and how long they may get.
EXAMPLES = int(os.environ.get("GIAMBIO_TEST_EXAMPLES", "200"))
STEPS = 50
#: Printed at the head of every run: the same seed invents the same programs.
SEED = int(os.environ.get("GIAMBIO_TEST_SEED", random.SystemRandom().randrange(1 << 32)))


def as_test(machine: type[RuleBasedStateMachine]) -> Any:
    """The test of a machine, for pytest."""
    case = machine.TestCase
    case.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    seed(SEED)(case)
    return case


class Arrivals(giambio.Hook):
    """Who is parked, and on what, in the order in which they came; and in which they were woken."""

    def __init__(self) -> None:
        self.waiting: dict[giambio.Task[Any], str] = {}
        self.wakes: list[tuple[giambio.Task[Any], str, bool]] = []
        self.on_parked: Callable[[Any], None] | None = None

    def parked(self, task: Any, on: Any) -> None:
        self.waiting[task] = on.what
        if self.on_parked is not None:
            self.on_parked(task)

    def cancelled(self, task: Any) -> None:
        self.waiting.pop(task, None)

    def woken(self, task: Any, by: object) -> None:
        what = self.waiting.get(task)
        if what is not None:
            first = next(one for one, other in self.waiting.items() if other == what)
            self.wakes.append((task, what, first is task))
            del self.waiting[task]

    def exited(self, task: Any) -> None:
        self.waiting.pop(task, None)

    def count(self, what: str) -> int:
        """How many tasks are parked on an operation of this name."""
        return sum(other == what for other in self.waiting.values())


class LoopMachine(RuleBasedStateMachine):
    """A loop, a manager in it, and tasks that Hypothesis starts, cancels and lets run."""

    #: What waiters are served in the order of their arrival.
    fair: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.loop: giambio.EventLoop | None = None
        self.tasks: list[giambio.Task[Any]] = []
        self.numbers = 0

    @initialize(schedule=st.none() | st.integers(0, 1 << 16), size=st.integers(0, 3))
    def begin(self, schedule: int | None, size: int) -> None:
        self.size = size
        self.loop = giambio.EventLoop(seed=schedule)
        self.arrivals = Arrivals()
        self.loop.add_hook(self.arrivals)
        self.main = self.loop.begin(self.host)
        self.rest()
        self.prepare()

    def prepare(self) -> None:
        """Make what is tested. A machine says what."""

    async def host(self) -> None:
        """The main task: it only keeps a manager open."""
        async with giambio.TaskManager() as self.manager:
            self.stop = giambio.Event()
            await self.stop.wait()

    # -- what happens ------------------------------------------------------------------

    def number(self) -> int:
        """A number that was not used before."""
        self.numbers += 1
        return self.numbers

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        """Start a task that can be cancelled by the rule below."""
        task = self.manager.start_soon(function, *args)
        self.tasks.append(task)
        return task

    def turns(self, count: int) -> None:
        """Let the loop turn, without waiting."""
        assert self.loop is not None
        for _ in range(count):
            self.loop.turn(0)

    @rule(count=st.integers(1, 3))
    def let_it_run(self, count: int) -> None:
        self.turns(count)
        self.check()

    @rule()
    def let_it_come_to_rest(self) -> None:
        self.rest()
        self.check()
        self.check_at_rest()

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel_one(self, data: Any) -> None:
        task = data.draw(st.sampled_from(self.tasks))
        task.cancel()

    def rest(self) -> None:
        """Turn until nobody has anything to do."""
        assert self.loop is not None
        for _ in range(10_000):
            self.loop.turn(0)
            if not self.loop._has_work():
                return
        raise AssertionError("the loop does not come to rest")

    # -- what must hold ------------------------------------------------------------------

    def check(self) -> None:
        """What holds at any time. A machine adds its own."""
        self.tasks = [task for task in self.tasks if not task.done()]
        for task, what, was_first in self.arrivals.wakes:
            assert was_first or what not in self.fair, f"{task!r} was served out of turn: {what}"
        self.arrivals.wakes.clear()

    def check_at_rest(self) -> None:
        """What holds when nobody has anything to do: no waiter is forgotten."""

    def check_at_the_end(self) -> None:
        """What holds when all have been cancelled: nothing is lost, no permit has leaked."""

    def cancel_all(self) -> None:
        """Cancel what still runs, one by one."""
        for task in self.tasks:
            task.cancel()

    def teardown(self) -> None:
        loop = self.loop
        if loop is None:
            return
        try:
            self.rest()
            self.check()
            self.cancel_all()
            self.rest()
            self.check()
            assert self.tasks == [], "a cancelled task goes on"
            self.check_at_the_end()
        finally:
            self.main.cancel()
            self.stop.set()
            for _ in range(1000):
                if self.main.done():
                    break
                loop.turn(0)
            self.end(loop)

    def end(self, loop: giambio.EventLoop) -> None:
        """Tear the loop down; a cancelled main task is what we asked for."""
        try:
            loop.end()
        except giambio.TaskCancelled:
            pass
        loop.close()
