"""Task managers in random programs by Hypothesis: trees of tasks that end in every way.

A block ends only when its tasks have; it raises each failure exactly once; each result is there;
cancelling reaches every task: under random schedules and random cancellation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import giambio
from support.stateful import LoopMachine, as_test


class Failure(Exception):
    """What a task fails with; its number says which one."""


@dataclass(eq=False)
class Tree:
    """A block, and what is known of its tasks."""

    gate: giambio.Event = field(default_factory=giambio.Event)
    manager: giambio.TaskManager = field(default_factory=giambio.TaskManager)
    tasks: dict[int, giambio.Task[Any]] = field(default_factory=dict)
    raised: set[int] = field(default_factory=set)
    entered: bool = False
    cancelled: bool = False
    caught: list[int] | None = None


def numbers(exc: BaseException) -> list[int]:
    """The numbers of the failures in an exception, at any depth."""
    if isinstance(exc, BaseExceptionGroup):
        return [number for inner in exc.exceptions for number in numbers(inner)]
    assert isinstance(exc, Failure), repr(exc)
    return [exc.args[0]]


class Managers(LoopMachine):
    """Blocks in tasks of blocks."""

    def prepare(self) -> None:
        self.trees: list[Tree] = []
        self.gates: dict[int, giambio.Event] = {}

    def open_trees(self) -> list[Tree]:
        return [tree for tree in self.trees if tree.entered and tree.caught is None]

    async def block(self, tree: Tree) -> None:
        """Open a block, keep it open until the gate opens, and look at what comes out."""
        caught: list[int] = []
        try:
            async with tree.manager:
                tree.entered = True
                await tree.gate.wait()
        except (Failure, ExceptionGroup) as exc:
            caught = numbers(exc)
        finally:
            assert all(task.done() for task in tree.tasks.values()), "the block ended too early"
            tree.caught = caught

    async def child(self, tree: Tree, number: int, gate: giambio.Event, kind: str) -> int:
        """A task of a block."""
        try:
            await gate.wait()
        except giambio.CancelledError:
            if kind == "fails when cancelled":
                tree.raised.add(number)
                raise Failure(number) from None
            if kind == "swallows":
                return number
            raise
        if kind == "fails":
            tree.raised.add(number)
            raise Failure(number)
        return number

    @rule()
    def begin_block(self) -> None:
        tree = Tree()
        self.trees.append(tree)
        self.spawn(self.block, tree)

    @precondition(lambda self: self.open_trees())
    @rule(
        data=st.data(),
        kinds=st.lists(
            st.sampled_from(["returns", "fails", "fails when cancelled", "swallows", "block"]),
            min_size=1,
            max_size=4,
        ),
    )
    def begin_children(self, data: Any, kinds: list[str]) -> None:
        tree = data.draw(st.sampled_from(self.open_trees()))
        for kind in kinds:
            self.begin_child(tree, kind)

    def begin_child(self, tree: Tree, kind: str) -> None:
        number = self.number()
        if kind == "block":
            below = Tree()
            self.trees.append(below)
            task = tree.manager.start_soon(self.block, below)
        else:
            gate = self.gates[number] = giambio.Event()
            task = tree.manager.start_soon(self.child, tree, number, gate, kind)
        tree.tasks[number] = task
        self.tasks.append(task)

    @precondition(lambda self: self.gates)
    @rule(data=st.data())
    def let_a_child_end(self, data: Any) -> None:
        self.gates.pop(data.draw(st.sampled_from(sorted(self.gates)))).set()

    @precondition(lambda self: self.open_trees())
    @rule(data=st.data())
    def let_a_body_end(self, data: Any) -> None:
        data.draw(st.sampled_from(self.open_trees())).gate.set()

    @precondition(lambda self: self.open_trees())
    @rule(data=st.data())
    def cancel_a_block(self, data: Any) -> None:
        tree = data.draw(st.sampled_from(self.open_trees()))
        tree.manager.cancel()
        tree.cancelled = True

    def check(self) -> None:
        super().check()
        for tree in self.trees:
            if tree.caught is not None:
                assert sorted(tree.caught) == sorted(tree.raised), "lost, or raised twice"
                for number, task in tree.tasks.items():
                    self.check_outcome(number, task, number in tree.raised)

    def check_outcome(self, number: int, task: giambio.Task[Any], failed: bool) -> None:
        assert task.done()
        if failed:
            assert numbers(task.exception() or ValueError()) == [number]
        elif not task.cancelled():
            assert task.result() in (number, None)

    def check_at_rest(self) -> None:
        for tree in self.open_trees():
            running = [task for task in tree.tasks.values() if not task.done()]
            assert running or not tree.gate.is_set(), "a block that does not end"
            assert not (tree.raised and running), "a failure did not cancel the others"
            assert not tree.cancelled, "a cancelled block goes on"

    def cancel_all(self) -> None:
        """Cancel the outermost block: that has to reach everybody."""
        self.manager.cancel()

    def check_at_the_end(self) -> None:
        assert self.open_trees() == []


class Limits(LoopMachine):
    """A manager with `limit=`: so many run, the others wait in line, and no place gets lost."""

    fair = ("TaskManager.spawn()",)

    def prepare(self) -> None:
        self.limit = self.size + 1
        self.stops: dict[int, giambio.Event] = {}
        self.coroutines: list[Any] = []
        self.over = giambio.Event()
        self.host_task = self.manager.start_soon(self.limited)
        self.rest()

    async def limited(self) -> None:
        async with giambio.TaskManager(limit=self.limit) as self.narrow:
            await self.over.wait()

    async def work(self, number: int) -> None:
        self.stops[number] = giambio.Event()
        try:
            await self.stops[number].wait()
        finally:
            del self.stops[number]

    def new_work(self) -> Any:
        self.coroutines.append(self.work(self.number()))
        return self.coroutines[-1]

    async def spawner(self, count: int) -> None:
        for _ in range(count):
            task = await self.narrow.spawn(self.new_work())
            self.tasks.append(task)

    @rule(count=st.integers(1, 3))
    def begin_spawner(self, count: int) -> None:
        self.spawn(self.spawner, count)

    @rule()
    def spawn_one_now(self) -> None:
        waited = self.arrivals.count("TaskManager.spawn()")
        try:
            self.tasks.append(self.narrow.start_soon(self.new_work()))
        except giambio.WouldBlock:
            return
        assert waited == 0, "barged in"

    @precondition(lambda self: self.stops)
    @rule(data=st.data())
    def let_one_end(self, data: Any) -> None:
        self.stops[data.draw(st.sampled_from(sorted(self.stops)))].set()

    def check(self) -> None:
        super().check()
        assert len(self.narrow._children) <= self.limit, "more than the limit"

    def check_at_rest(self) -> None:
        waiting = self.arrivals.count("TaskManager.spawn()")
        running = len(self.narrow._children)
        assert running == len(self.stops)
        assert not waiting or running == self.limit, "a place is free, and a waiter forgotten"
        alive = sum(coroutine.cr_frame is not None for coroutine in self.coroutines)
        assert alive == running + waiting, "a coroutine that was not spawned is not closed"

    def check_at_the_end(self) -> None:
        assert len(self.narrow._children) == 0
        assert all(coroutine.cr_frame is None for coroutine in self.coroutines)
        for _ in range(self.limit):  # each place can still be had
            self.tasks.append(self.narrow.start_soon(self.new_work()))
        self.rest()
        assert len(self.stops) == self.limit, "a place has leaked"
        self.narrow.cancel()
        self.rest()
        assert self.host_task.done()


@dataclass(eq=False)
class Service:
    """A task between `start` and its end, and how it went."""

    number: int
    fails: bool
    ready: giambio.Event = field(default_factory=giambio.Event)
    over: giambio.Event = field(default_factory=giambio.Event)
    begun: bool = False
    started: bool = False
    ended: bool = False
    #: What `start` has returned or raised.
    outcome: Any = None


class Starts(LoopMachine):
    """`TaskManager.start`: whoever waits gets the value, the failure or the cancellation."""

    def prepare(self) -> None:
        self.services: list[Service] = []
        self.over = giambio.Event()
        self.host_task = self.manager.start_soon(self.host_block)
        self.rest()

    async def host_block(self) -> None:
        """The block that the services move to; it is cancelled only at the end."""
        async with giambio.TaskManager() as self.services_manager:
            await self.over.wait()

    async def serve(self, service: Service, *, task_status: giambio.TaskStatus[int]) -> None:
        service.begun = True
        try:
            await service.ready.wait()
            if service.fails:
                raise Failure(service.number)
            service.started = True
            task_status.started(service.number)
            await service.over.wait()
        finally:
            service.ended = True

    async def starter(self, service: Service) -> None:
        try:
            service.outcome = await self.services_manager.start(self.serve, service)
        except BaseException as exc:
            service.outcome = exc
            assert service.ended or not service.begun, "told before the task was joined"
            if not isinstance(exc, Failure):
                raise

    @rule(fails=st.booleans())
    def begin_service(self, fails: bool) -> None:
        service = Service(self.number(), fails)
        self.services.append(service)
        self.spawn(self.starter, service)

    @precondition(lambda self: self.services)
    @rule(data=st.data())
    def let_one_be_ready(self, data: Any) -> None:
        data.draw(st.sampled_from(self.services)).ready.set()

    @precondition(lambda self: self.services)
    @rule(data=st.data())
    def let_one_end(self, data: Any) -> None:
        data.draw(st.sampled_from(self.services)).over.set()

    def check_at_rest(self) -> None:
        waiting = self.arrivals.count("TaskManager.start()")
        begun = [one for one in self.services if one.begun and not one.ended]
        assert waiting == sum(not one.started for one in begun)
        assert len(self.services_manager._children) == sum(one.started for one in begun)
        assert not any(one.ready.is_set() for one in begun if not one.started)
        for service in self.services:
            if service.outcome is not None:
                self.check_outcome(service)

    def check_outcome(self, service: Service) -> None:
        if service.started:
            assert service.outcome == service.number, "started, and the starter was not told"
        elif isinstance(service.outcome, Failure):
            assert service.fails
            assert numbers(service.outcome) == [service.number]
        else:
            assert isinstance(service.outcome, giambio.CancelledError), repr(service.outcome)

    def check_at_the_end(self) -> None:
        for service in self.services:
            if service.outcome is not None:
                self.check_outcome(service)
        self.services_manager.cancel()
        self.rest()
        assert self.host_task.done()
        assert all(service.ended or not service.started for service in self.services)


TestManagers = as_test(Managers)
TestLimits = as_test(Limits)
TestStarts = as_test(Starts)
