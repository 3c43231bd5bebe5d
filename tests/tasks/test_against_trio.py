"""Random trees of scopes, managers, shields and deadlines, run by giambio and by Trio.

Trio has settled what level-triggered cancellation means, so the same program must leave the same
log here and there: what each task waited for and when, which scopes caught a cancellation, which
exceptions came out of which block. Time is virtual and no two sleeps end together, so a log does
not depend on who was first, but where one task causes another to run at the same moment. Trio
shuffles such tasks; a program is compared if several runs of Trio agree.

What differs by design, and is therefore left out of these programs:

- Trio keeps the cancellations in a group with failures, and giambio drops them (rule 8.6), so only
  the failures are compared.
- A shield that goes up between a cancellation and its delivery withdraws it (rule 3.8), where Trio
  has decided at `cancel()`. So a program that does one right after the other is compared with one
  that puts up the shield first.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import giambio
from giambio.testing import VirtualClock

#: A statement is a name with its operands; a body is a list of statements.
Statement = tuple[Any, ...]
Body = list[Statement]
Log = list[tuple[Any, ...]]

PROGRAMS = 400
#: How often Trio runs each; it shuffles what is ready at the same moment.
TRIO_ORDERS = 8
#: How many of them have to be comparable: fewer would mean that the generator has gone astray.
LEAST_COMPARED = 300


class Boom(Exception):
    pass


class OnTrio:
    """Trio's names for the few things that a program uses."""

    Cancelled = trio.Cancelled
    scope = trio.CancelScope
    #: Whether a shield right after a cancellation comes too late.
    decides_at_cancel = True
    sleep = staticmethod(trio.sleep)
    now = staticmethod(trio.current_time)
    manager = staticmethod(trio.open_nursery)

    @staticmethod
    def run(main: Callable[..., Any], order: int) -> None:
        trio._core._run._r.seed(order)  # type: ignore[attr-defined]
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


class OnGiambio:
    """giambio's."""

    Cancelled = giambio.CancelledError
    scope = giambio.CancelScope
    decides_at_cancel = False
    sleep = staticmethod(giambio.sleep)
    now = staticmethod(giambio.current_time)

    @staticmethod
    def manager() -> giambio.TaskManager:
        return giambio.TaskManager(strict=True)

    @staticmethod
    def run(main: Callable[..., Any], order: int) -> None:
        seed = order if order else None
        giambio.run(main, clock=VirtualClock(), seed=seed)


class Generator:
    """Makes one random program."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names: list[str] = []

    def body(self, depth: int) -> Body:
        return [self.statement(depth) for _ in range(self.random.randint(1, 4))]

    def name(self) -> str:
        self.names.append(f"s{len(self.names)}")
        return self.names[-1]

    def seconds(self) -> float:
        return self.random.uniform(0.1, 10)

    def statement(self, depth: int) -> Statement:
        kinds = ["sleep"] * 4 + ["cancel", "cancel", "shield", "deadline", "raise"]
        kinds += ["cancel_and_shield"] * 2
        if depth > 0:
            kinds += ["scope"] * 4 + ["manager"] * 4 + ["try", "cleanup"]
        kind = self.random.choice(kinds)
        if kind in ("scope", "manager"):
            name = self.name()
            shield = self.random.random() < 0.3
            timeout = self.seconds() if self.random.random() < 0.4 else None
            if kind == "scope":
                return kind, name, shield, timeout, self.body(depth - 1)
            children = [self.body(depth - 1) for _ in range(self.random.randint(0, 3))]
            return kind, name, shield, timeout, children, self.body(depth - 1)
        if kind in ("try", "cleanup"):
            return kind, self.seconds(), self.body(depth - 1)
        return kind, self.seconds(), self.any_name(), self.any_name(), self.random.random() < 0.5

    def any_name(self) -> str:
        """Return a name that may be that of an open block; also one that is made later."""
        return f"s{self.random.randint(0, 8)}"


class Interpreter:
    """Runs one program on one library, and writes the log."""

    def __init__(self, library: Any, program: Body) -> None:
        self.library = library
        self.program = program
        self.scopes: dict[str, Any] = {}
        self.logs: dict[str, Log] = {}

    async def main(self) -> None:
        try:
            await self.body("main", self.program)
        except BaseException as exc:
            self.note("main", "ended", shape(exc))
            if isinstance(exc, self.library.Cancelled):
                raise

    def note(self, task: str, *entry: Any) -> None:
        self.logs.setdefault(task, []).append((*entry, round(self.library.now(), 6)))

    async def body(self, task: str, body: Body) -> None:
        for kind, *operands in body:
            await getattr(self, f"do_{kind}")(task, *operands)

    async def sleep(self, task: str, seconds: float) -> None:
        try:
            await self.library.sleep(seconds)
        except BaseException as exc:
            self.note(task, "interrupted", shape(exc))
            raise
        self.note(task, "slept")

    async def do_sleep(self, task: str, seconds: float, *_: object) -> None:
        await self.sleep(task, seconds)

    async def do_raise(self, task: str, seconds: float, *_: object) -> None:
        await self.sleep(task, seconds)
        raise Boom(task)

    async def do_cancel(self, task: str, seconds: float, name: str, *_: object) -> None:
        await self.sleep(task, seconds)
        self.cancel(name)

    async def do_shield(
        self, task: str, seconds: float, name: str, _: object, shield: bool
    ) -> None:
        await self.sleep(task, seconds)
        self.shield(name, shield)

    async def do_cancel_and_shield(
        self, task: str, seconds: float, cancelled: str, shielded: str, _: object
    ) -> None:
        await self.sleep(task, seconds)
        if self.library.decides_at_cancel:
            self.shield(shielded, True)
            self.cancel(cancelled)
        else:
            self.cancel(cancelled)
            self.shield(shielded, True)

    async def do_deadline(self, task: str, seconds: float, name: str, *_: object) -> None:
        if name in self.scopes:
            self.scopes[name].deadline = self.library.now() + seconds

    def cancel(self, name: str) -> None:
        if name in self.scopes:
            self.scopes[name].cancel()

    def shield(self, name: str, shield: bool) -> None:
        if name in self.scopes:
            self.scopes[name].shield = shield

    async def do_try(self, task: str, seconds: float, body: Body) -> None:
        try:
            await self.body(task, body)
        except Exception as exc:
            self.note(task, "caught", shape(exc))

    async def do_cleanup(self, task: str, seconds: float, body: Body) -> None:
        try:
            await self.body(task, body)
        finally:
            with self.library.scope(shield=True):
                await self.sleep(task, seconds)

    async def do_scope(
        self, task: str, name: str, shield: bool, timeout: float | None, body: Body
    ) -> None:
        with self.library.scope(shield=shield) as scope:
            self.open(name, scope, timeout)
            await self.body(task, body)
        self.close(task, name, scope)

    async def do_manager(
        self,
        task: str,
        name: str,
        shield: bool,
        timeout: float | None,
        children: list[Body],
        body: Body,
    ) -> None:
        async with self.library.manager() as manager:
            manager.cancel_scope.shield = shield
            self.open(name, manager.cancel_scope, timeout)
            for number, child in enumerate(children):
                manager.start_soon(self.child, f"{task}/{name}.{number}", child)
            await self.body(task, body)
        self.close(task, name, manager.cancel_scope)

    async def child(self, task: str, body: Body) -> None:
        try:
            await self.body(task, body)
        except BaseException as exc:
            self.note(task, "ended", shape(exc))
            raise
        self.note(task, "ended")

    def open(self, name: str, scope: Any, timeout: float | None) -> None:
        self.scopes[name] = scope
        if timeout is not None:
            scope.deadline = self.library.now() + timeout

    def close(self, task: str, name: str, scope: Any) -> None:
        del self.scopes[name]
        self.note(task, "left", name, scope.cancel_called, scope.cancelled_caught)


def shape(exc: BaseException) -> tuple[str, ...]:
    """Return what two libraries can agree on about an exception: its failures."""
    return tuple(sorted(failures(exc))) or ("cancelled",)


def failures(exc: BaseException) -> list[str]:
    if isinstance(exc, BaseExceptionGroup):
        return [failure for inner in exc.exceptions for failure in failures(inner)]
    return [] if isinstance(exc, trio.Cancelled | giambio.CancelledError) else [repr(exc)]


def log_of(library: Any, program: Body, order: int = 0) -> dict[str, Log]:
    interpreter = Interpreter(library, program)
    library.run(interpreter.main, order)
    return interpreter.logs


def test_random_programs_leave_the_same_log_as_with_trio() -> None:
    """Rules 5.1, 6.1, 6.2, 6.4, 6.5, 8.1, 8.7."""
    compared = 0
    for seed in range(PROGRAMS):
        program = Generator(seed).body(3)
        expected, *others = (log_of(OnTrio, program, order) for order in range(TRIO_ORDERS))
        if any(other != expected for other in others):
            continue
        compared += 1
        for order in range(3):
            assert log_of(OnGiambio, program, order) == expected, (seed, order, program)
    assert compared >= LEAST_COMPARED


@pytest.mark.parametrize("hit", ["body", "task"])
def test_a_block_that_was_hit_and_then_shielded_ends_there(hit: str) -> None:
    """Rule 8.7: whatever was hit, its body or a task; as in Trio."""
    shield: Statement = ("shield", 0.5, "s1", None, True)
    rest: Body = [("scope", "s2", True, None, [("sleep", 2.0)])]
    hit_inside: Body = [("sleep", 9.0)]
    children, body = ([rest], hit_inside) if hit == "body" else ([rest, hit_inside], [])
    program: Body = [
        (
            *("manager", "s0", False, None),
            # The task that raises the shield has one of its own, so it goes on.
            [[("scope", "s3", True, None, [("cancel", 1.0, "s0"), shield])]],
            [("manager", "s1", False, None, children, body)],
        )
    ]
    expected = log_of(OnTrio, program)
    assert ("left", "s1", True, True, 2.0) in expected["main"]
    assert log_of(OnGiambio, program) == expected


@pytest.mark.parametrize("where", ["body", "task"])
def test_a_shield_right_after_a_cancellation_withdraws_it(where: str) -> None:
    """Rule 3.8: the tasks inside sleep on, whether the body's or others."""
    sleeps: Body = [("sleep", 2.0)]
    children, body = ([], sleeps) if where == "body" else ([sleeps], [])
    program: Body = [
        (
            *("manager", "s0", False, None),
            [[("cancel_and_shield", 1.0, "s0", "s1", None)]],
            [("manager", "s1", False, None, children, body)],
        )
    ]
    log = log_of(OnGiambio, program)
    assert ("left", "s1", False, False, 2.0) in log["main"]
    assert not any(entry[0] == "interrupted" for entries in log.values() for entry in entries)
