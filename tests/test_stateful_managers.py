"""Task managers in programs that Hypothesis invents: trees of tasks that end in every way.

A block ends only when its tasks have, each failure comes out of it exactly once, each result is
there, and cancelling reaches everybody: under random schedules and random cancellation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import giambio
from helpers_stateful import LoopMachine, as_test


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


TestManagers = as_test(Managers)
