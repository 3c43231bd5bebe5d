"""Locks, permits, conditions, events and barriers in programs that Hypothesis invents.

Nothing is lost or duplicated, no waiter is forgotten, no permit leaks, order is kept:
under random schedules and random cancellation.
"""

from __future__ import annotations

from math import inf
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import giambio
from support.stateful import LoopMachine, as_test


class Holders(LoopMachine):
    """Tasks that take something, keep it until they are told, and give it back."""

    def prepare(self) -> None:
        self.inside: dict[int, giambio.Event] = {}
        self.got: list[int] = []
        self.prepare_resource()

    def prepare_resource(self) -> None:
        raise NotImplementedError

    async def hold(self, resource: Any, number: int) -> None:
        """One holder."""
        async with resource:
            self.got.append(number)
            self.inside[number] = giambio.Event()
            try:
                await self.inside[number].wait()
            finally:
                del self.inside[number]

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def let_one_go(self, data: Any) -> None:
        self.inside[data.draw(st.sampled_from(sorted(self.inside)))].set()


class Locks(Holders):
    """One `Lock`."""

    fair = ("Lock.acquire()",)

    def prepare_resource(self) -> None:
        self.lock = giambio.Lock()

    @rule()
    def begin_holder(self) -> None:
        self.spawn(self.hold, self.lock, self.number())

    @rule()
    def try_to_barge_in(self) -> None:
        """Nobody gets a lock for which others wait."""

        async def barge() -> None:
            waited = self.lock.statistics().tasks_waiting
            try:
                self.lock.acquire_nowait()
            except giambio.WouldBlock:
                return
            assert waited == 0, "barged in"
            self.lock.release()

        self.spawn(barge)

    def check(self) -> None:
        super().check()
        assert len(self.inside) <= 1

    def check_at_rest(self) -> None:
        waiting = self.arrivals.count("Lock.acquire()")
        assert waiting == self.lock.statistics().tasks_waiting
        assert not waiting or self.inside, "a waiter is forgotten"
        assert self.lock.locked() == bool(self.inside)

    def check_at_the_end(self) -> None:
        assert self.lock.statistics() == (False, None, 0)


class Semaphores(Holders):
    """A `Semaphore` of three."""

    fair = ("Semaphore.acquire()",)
    permits = 3

    def prepare_resource(self) -> None:
        self.semaphore = giambio.Semaphore(self.permits, max_value=self.permits)

    @rule()
    def begin_holder(self) -> None:
        self.spawn(self.hold, self.semaphore, self.number())

    @rule()
    def try_to_barge_in(self) -> None:
        waited = self.arrivals.count("Semaphore.acquire()")
        try:
            self.semaphore.acquire_nowait()
        except giambio.WouldBlock:
            return
        assert waited == 0, "barged in"
        self.semaphore.release()

    def check(self) -> None:
        super().check()
        assert len(self.inside) <= self.permits

    def check_at_rest(self) -> None:
        waiting = self.arrivals.count("Semaphore.acquire()")
        assert waiting == self.semaphore.statistics().tasks_waiting
        assert self.semaphore.value == self.permits - len(self.inside), "a permit has leaked"
        assert not waiting or self.semaphore.value == 0, "a waiter is forgotten"

    def check_at_the_end(self) -> None:
        assert self.semaphore.value == self.permits


class OnBehalf:
    """A token for somebody who is no task, as a block."""

    def __init__(self, limiter: giambio.CapacityLimiter, borrower: str) -> None:
        self.limiter = limiter
        self.borrower = borrower

    async def __aenter__(self) -> None:
        await self.limiter.acquire_on_behalf_of(self.borrower)

    async def __aexit__(self, *exc_info: object) -> None:
        self.limiter.release_on_behalf_of(self.borrower)


class Limiters(Holders):
    """A `CapacityLimiter` whose total changes, from nothing to infinity."""

    acquire = ("CapacityLimiter.acquire()", "CapacityLimiter.acquire_on_behalf_of()")
    fair = acquire

    def prepare_resource(self) -> None:
        self.limiter = giambio.CapacityLimiter(2)

    def waiting(self) -> int:
        return sum(self.arrivals.count(what) for what in self.acquire)

    @rule()
    def begin_holder(self) -> None:
        self.spawn(self.hold, self.limiter, self.number())

    @rule()
    def begin_holder_on_behalf_of_somebody(self) -> None:
        number = self.number()
        self.spawn(self.hold, OnBehalf(self.limiter, f"client {number}"), number)

    @rule()
    def try_to_barge_in(self) -> None:
        waited = self.waiting()
        try:
            self.limiter.acquire_on_behalf_of_nowait("in a hurry")
        except giambio.WouldBlock:
            return
        assert waited == 0, "barged in"
        self.limiter.release_on_behalf_of("in a hurry")

    @rule(total=st.sampled_from([0, 1, 2, 3, 5, inf]))
    def change_the_total(self, total: float) -> None:
        self.limiter.total_tokens = total

    def check_at_rest(self) -> None:
        waiting = self.waiting()
        statistics = self.limiter.statistics()
        assert waiting == statistics.tasks_waiting
        assert statistics.borrowed_tokens == len(self.inside) == len(statistics.borrowers)
        assert not waiting or statistics.borrowed_tokens >= statistics.total_tokens

    def check_at_the_end(self) -> None:
        assert self.limiter.borrowed_tokens == 0


class Conditions(LoopMachine):
    """A `Condition`: notifications reach those who have waited longest, and none is lost."""

    fair = ("Condition.acquire()",)

    def prepare(self) -> None:
        self.condition = giambio.Condition()
        self.notified = 0
        self.answered = 0
        # The tasks that have begun to wait, in their order, and which of them answered last.
        self.came: dict[Any, int] = {}
        self.last = -1
        self.arrivals.on_parked = self.note_arrival

    def note_arrival(self, task: Any) -> None:
        if self.arrivals.waiting[task] == "Condition.wait()":
            self.came.setdefault(task, len(self.came))

    async def wait(self) -> None:
        """One waiter."""
        async with self.condition:
            try:
                await self.condition.wait()
            finally:
                assert self.condition.statistics().lock_statistics.owner is giambio.current_task()
            self.answered += 1
            place = self.came[giambio.current_task()]
            assert place > self.last, "notified out of turn"
            self.last = place

    async def notify(self, count: int) -> None:
        async with self.condition:
            waiting = self.condition.statistics().tasks_waiting
            self.condition.notify(count)
            self.notified += min(count, waiting)

    @rule()
    def begin_waiter(self) -> None:
        self.spawn(self.wait)

    @rule(count=st.integers(1, 3))
    def begin_notifier(self, count: int) -> None:
        self.spawn(self.notify, count)

    @rule()
    def begin_keeper(self) -> None:
        """One who holds the lock for a while, so that others meet before it."""

        async def keep() -> None:
            async with self.condition:
                await giambio.checkpoint()
                await giambio.checkpoint()

        self.spawn(keep)

    def check(self) -> None:
        super().check()
        assert self.answered <= self.notified, "woken without a notification"

    def check_at_rest(self) -> None:
        assert not self.condition.locked(), "the lock is lost"
        assert len(self.tasks) == self.condition.statistics().tasks_waiting
        # Also of those who were cancelled: who was notified before has been notified.
        assert self.answered == self.notified, "a notification is lost"

    def check_at_the_end(self) -> None:
        assert not self.condition.locked()
        assert self.condition.statistics().tasks_waiting == 0
        assert self.answered == self.notified, "a notification is lost"


class Events(LoopMachine):
    """Events: who waits goes on when it is set, and not before."""

    fair = ("Event.wait()",)

    def prepare(self) -> None:
        self.event = giambio.Event()
        del self.arrivals.waiting[self.main]  # it waits for an event of its own

    @rule()
    def begin_waiter(self) -> None:
        async def wait(event: giambio.Event) -> None:
            await event.wait()
            assert event.is_set(), "woken without a reason"

        self.spawn(wait, self.event)

    @rule()
    def set_it(self) -> None:
        """It happens; those who come from now on wait for the next one."""
        self.event.set()
        assert self.event.statistics().tasks_waiting == 0
        self.event = giambio.Event()

    def check_at_rest(self) -> None:
        waiting = self.arrivals.count("Event.wait()")
        assert waiting == self.event.statistics().tasks_waiting == len(self.tasks)


class Barriers(LoopMachine):
    """A `Barrier`: as many as it takes pass together, and nobody else."""

    def prepare(self) -> None:
        self.parties = self.size + 1
        self.barrier = giambio.Barrier(self.parties)
        self.places: list[int] = []
        self.turned_away = 0

    @rule()
    def begin_waiter(self) -> None:
        async def wait() -> None:
            try:
                place = await self.barrier.wait()
            except giambio.BrokenResourceError:
                self.turned_away += 1
            else:
                self.places.append(place)

        self.spawn(wait)

    @rule()
    def send_those_away_who_wait(self) -> None:
        self.barrier.reset()

    def check_at_rest(self) -> None:
        waiting = self.arrivals.count("Barrier.wait()")
        assert waiting == self.barrier.n_waiting == len(self.tasks) < self.parties
        self.check_places()

    def check_places(self) -> None:
        """Each time the barrier opens, there is one for each place."""
        counts = {self.places.count(place) for place in range(self.parties)}
        assert len(counts) == 1, f"not as many for each place: {self.places}"
        assert len(self.places) == self.parties * counts.pop(), "more places than parties"

    def check_at_the_end(self) -> None:
        assert self.barrier.n_waiting == 0
        self.check_places()


TestLocks = as_test(Locks)
TestSemaphores = as_test(Semaphores)
TestLimiters = as_test(Limiters)
TestConditions = as_test(Conditions)
TestEvents = as_test(Events)
TestBarriers = as_test(Barriers)
