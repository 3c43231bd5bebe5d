"""Cancel scopes in random programs by Hypothesis: nested blocks in nested tasks.

No cancellation is lost and none is made up, however scopes are cancelled, time out, and are
shielded and unshielded: under random schedules.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import giambio
from support.stateful import LoopMachine, as_test

#: Which of its scopes a task has shielded. With more of them no cancellation would get far.
SHIELDS = st.lists(st.sampled_from([False] * 5 + [True]), min_size=1, max_size=3)


class Runner:
    """A task that enters some scopes, opens a block in the innermost one, and waits there.

    When a scope has cut it short it waits behind that, until it is told to end.
    """

    def __init__(self, parent: Runner | None, shields: list[bool]) -> None:
        self.parent = parent
        self.scopes = [giambio.CancelScope(shield=shield) for shield in shields]
        self.manager = giambio.TaskManager()
        self.gate = giambio.Event()
        self.cancelled = False
        # How many scopes there are around the place where it waits, while it does.
        self.depth: int | None = None
        # Whether a cancellation was in force there at any time since it came.
        self.told = False
        # Whether it was told in its block, which may be cancelled for good then: a shield that
        # is put up around the block later is too late.
        self.reached = False

    def in_force(self, depth: int, ever: bool = False) -> bool:
        """What the rules say: whether a cancellation reaches the inside of so many scopes.

        With `ever`, one may also have reached a task in the block around them before.
        """
        for scope in reversed(self.scopes[:depth]):
            if scope.cancel_called:
                return True
            if scope.shield:
                return False
        if self.cancelled:
            return True
        parent = self.parent
        if parent is None:
            return False
        return (ever and parent.reached) or parent.in_force(len(parent.scopes), ever)

    async def run(self) -> None:
        await self.enter(0)

    async def enter(self, depth: int) -> None:
        if depth == len(self.scopes):
            async with self.manager:
                try:
                    await self.wait(depth)
                except giambio.CancelledError:
                    self.reached = True
                    raise
            return
        scope = self.scopes[depth]
        with scope:
            await self.enter(depth + 1)
        assert not scope.cancelled_caught or scope.cancel_called
        await self.wait(depth)

    async def wait(self, depth: int) -> None:
        self.depth = depth
        self.told = self.in_force(depth, ever=True)
        try:
            await self.gate.wait()
        except giambio.CancelledError:
            assert self.told, "cancelled for no reason"
            raise
        finally:
            self.depth = None


class Scopes(LoopMachine):
    """A tree of runners."""

    def prepare(self) -> None:
        self.runners: list[tuple[Runner, giambio.Task[Any]]] = []

    def running(self) -> list[tuple[Runner, giambio.Task[Any]]]:
        return [(runner, task) for runner, task in self.runners if not task.done()]

    def hosts(self) -> list[Runner]:
        """Those whose block is open, so that tasks can be started in it."""
        return [one for one, _ in self.running() if one.depth == len(one.scopes)]

    def draw_scope(self, data: Any) -> giambio.CancelScope:
        scopes = [scope for runner, _ in self.running() for scope in runner.scopes]
        scope: giambio.CancelScope = data.draw(st.sampled_from(scopes))
        return scope

    def note(self) -> None:
        """Something was cancelled or laid open: see whom it reaches."""
        for runner, _ in self.running():
            if runner.depth is not None and runner.in_force(runner.depth, ever=True):
                runner.told = True

    @rule(data=st.data(), shields=st.lists(SHIELDS, min_size=1, max_size=4))
    def begin_runners(self, data: Any, shields: list[list[bool]]) -> None:
        """Each one in the block of the one before."""
        parent = data.draw(st.sampled_from([None, *self.hosts()]))
        for some in shields:
            runner = Runner(parent, some)
            manager = self.manager if parent is None else parent.manager
            self.runners.append((runner, manager.start_soon(runner.run)))
            self.rest()
            if runner not in self.hosts():
                return  # it was begun in a cancelled block
            parent = runner

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def cancel_a_scope(self, data: Any) -> None:
        scope = self.draw_scope(data)
        before = scope.cancel_called
        assert scope.cancel("enough") is not before
        self.note()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def let_a_scope_expire(self, data: Any) -> None:
        scope = self.draw_scope(data)
        if scope.cancel_called or not any(scope in one.scopes for one in self.hosts()):
            return  # a deadline is looked at while the scope is entered
        scope.deadline = 0
        assert scope.cancel_called
        self.note()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def turn_a_shield(self, data: Any) -> None:
        scope = self.draw_scope(data)
        scope.shield = not scope.shield
        self.note()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def cancel_a_task(self, data: Any) -> None:
        runner, task = data.draw(st.sampled_from(self.running()))
        runner.cancelled = True
        task.cancel()
        self.note()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def let_one_end(self, data: Any) -> None:
        data.draw(st.sampled_from(self.running()))[0].gate.set()

    def check_at_rest(self) -> None:
        for runner, task in self.running():
            if runner.depth is None:
                below = [other for other, _ in self.running() if other.parent is runner]
                assert below, f"{task!r} waits for nobody"
            else:
                assert not runner.in_force(runner.depth), f"{task!r}: a cancellation is forgotten"
                assert not runner.gate.is_set()

    def cancel_all(self) -> None:
        """Cancel each task, and take the shields away."""
        for runner, task in self.running():
            runner.cancelled = True
            task.cancel()
        for runner, _ in self.running():
            for scope in runner.scopes:
                scope.shield = False
        self.note()

    def check_at_the_end(self) -> None:
        assert self.running() == [], "a cancelled task goes on"


TestScopes = as_test(Scopes)
