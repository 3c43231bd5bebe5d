"""Broadcasts and watches in programs that Hypothesis invents.

Every subscription gets every item once, in one order, unless it lets items be dropped, which it
counts; a watcher never misses the latest value: under random schedules and random cancellation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import giambio
from support.stateful import LoopMachine, as_test


@dataclass(eq=False)
class Listener:
    """A subscription, and what is known of it."""

    subscription: Any
    overflow: str
    #: What had been sent when it was made, of which nothing may arrive, and what was offered.
    #: (Of the rest of that some may just have been sent, before the sender knows of it.)
    too_early: set[int]
    offered: set[int]
    got: list[int] = field(default_factory=list)
    task: giambio.Task[Any] | None = None
    closed: bool = False

    def cut_off(self) -> bool:
        """Whether it was disconnected."""
        return self.overflow == "disconnect" and self.subscription.dropped > 0


class Broadcasts(LoopMachine):
    """One `Broadcast`, and subscriptions that come and go."""

    fair = ("Broadcast.send()",)

    def prepare(self) -> None:
        self.size += 1
        self.broadcast: Any = giambio.Broadcast(self.size)
        self.listeners: list[Listener] = []
        # What was sent, or was about to be when its task parked, in that order.
        self.offered: list[int] = []
        self.accepted: set[int] = set()
        self.current: dict[Any, int] = {}
        self.arrivals.on_parked = self.place

    def place(self, task: Any) -> None:
        """The place of an item is that of the first try: where it parks, or where it is done."""
        item = self.current.pop(task, None)
        if item is not None:
            self.offered.append(item)

    def open_listeners(self) -> list[Listener]:
        return [one for one in self.listeners if not one.closed]

    def idle_listeners(self) -> list[Listener]:
        """Those with no task that receives. One at a time, so that the order can be checked."""
        return [one for one in self.open_listeners() if one.task is None or one.task.done()]

    async def sender(self, items: list[int]) -> None:
        task = giambio.current_task()
        for item in items:
            self.current[task] = item
            await self.broadcast.send(item)
            self.place(task)
            self.accepted.add(item)

    async def receiver(self, listener: Listener, count: int) -> None:
        try:
            for _ in range(count):
                listener.got.append(await listener.subscription.receive())
        except giambio.ClosedResourceError:
            assert listener.closed
        except giambio.BrokenResourceError:
            assert listener.cut_off()

    @rule(count=st.integers(1, 3))
    def begin_sender(self, count: int) -> None:
        self.spawn(self.sender, [self.number() for _ in range(count)])

    @rule()
    def send_one_now(self) -> None:
        waited = self.arrivals.count("Broadcast.send()")
        item = self.number()
        try:
            self.broadcast.send_nowait(item)
        except giambio.WouldBlock:
            return
        assert waited == 0, "barged in"
        self.offered.append(item)
        self.accepted.add(item)

    @rule(overflow=st.sampled_from(["wait", "wait", "drop_oldest", "drop_newest", "disconnect"]))
    def subscribe(self, overflow: str) -> None:
        subscription = self.broadcast.subscribe(overflow=overflow)
        listener = Listener(subscription, overflow, set(self.accepted), set(self.offered))
        self.listeners.append(listener)

    @precondition(lambda self: self.open_listeners())
    @rule(data=st.data())
    def unsubscribe(self, data: Any) -> None:
        listener = data.draw(st.sampled_from(self.open_listeners()))
        listener.closed = True
        listener.subscription.close()

    @precondition(lambda self: self.idle_listeners())
    @rule(data=st.data(), count=st.integers(1, 3))
    def begin_receiver(self, data: Any, count: int) -> None:
        listener = data.draw(st.sampled_from(self.idle_listeners()))
        listener.task = self.spawn(self.receiver, listener, count)

    @precondition(lambda self: self.idle_listeners())
    @rule(data=st.data())
    def receive_one_now(self, data: Any) -> None:
        self.take_one(data.draw(st.sampled_from(self.idle_listeners())))

    def take_one(self, listener: Listener) -> bool:
        try:
            listener.got.append(listener.subscription.receive_nowait())
        except giambio.WouldBlock:
            return False
        except giambio.BrokenResourceError:
            assert listener.cut_off()
            return False
        return True

    def check(self) -> None:
        super().check()
        for listener in self.listeners:
            assert not listener.too_early.intersection(listener.got), "sent before it came"

    def check_at_rest(self) -> None:
        statistics = self.broadcast.statistics()
        connected = [one for one in self.open_listeners() if not one.cut_off()]
        assert statistics.open_subscriptions == len(connected)
        sending = self.arrivals.count("Broadcast.send()")
        assert sending == statistics.tasks_waiting_send
        waited_for = any(one.overflow == "wait" for one in connected)
        full = waited_for and statistics.longest_backlog >= self.size
        assert not sending or full, "a sender is forgotten"
        for listener in self.open_listeners():
            if listener.task is not None and not listener.task.done():
                assert not self.take_one(listener), "items, and a receiver forgotten"

    def check_at_the_end(self) -> None:
        order = [item for item in self.offered if item in self.accepted]
        for listener in self.listeners:
            if not listener.closed:
                while self.take_one(listener):
                    pass
            got = listener.got
            if listener.overflow.startswith("drop_"):
                self.check_what_was_dropped(listener, order)
                continue
            start = order.index(got[0]) if got else 0
            assert got == order[start : start + len(got)], "lost, twice, or out of order"
            if not listener.closed and not listener.cut_off():
                # It is the one that was there last, so it has them all from its first one on.
                assert not got or got[-1] == order[-1], "the last ones are lost"
                assert set(got) >= set(order) - listener.offered, "the first ones are lost"

    def check_what_was_dropped(self, listener: Listener, order: list[int]) -> None:
        got = listener.got
        assert got == [item for item in order if item in got], "twice, or out of order"
        if listener.closed:
            return
        counted = len(got) + listener.subscription.dropped
        least = len(set(order) - listener.offered)
        assert least <= counted <= len(set(order) - listener.too_early), "not counted"
        if listener.overflow == "drop_oldest" and least:
            assert got[-1] == order[-1], "the newest one is lost"

    def teardown(self) -> None:
        super().teardown()
        if self.loop is not None:
            self.broadcast.close()
            for listener in self.listeners:
                listener.subscription.close()


class Watches(LoopMachine):
    """One `Watch`, and watchers that several tasks may share."""

    def prepare(self) -> None:
        self.watch: Any = giambio.Watch(0)
        self.newest = 0
        self.watchers: list[Any] = []
        self.seen: list[list[int]] = []
        self.waiting: dict[Any, int] = {}

    @rule()
    def subscribe(self) -> None:
        self.watchers.append(self.watch.subscribe())
        self.seen.append([self.newest])

    @rule()
    def set_it(self) -> None:
        self.newest = self.number()
        self.watch.set(self.newest)

    @precondition(lambda self: self.watchers)
    @rule(data=st.data(), count=st.integers(1, 3))
    def begin_watching(self, data: Any, count: int) -> None:
        index = data.draw(st.integers(0, len(self.watchers) - 1))

        async def follow() -> None:
            for _ in range(count):
                value = await self.watchers[index].changed()
                assert value == self.newest, "an old value"
                self.seen[index].append(value)

        self.waiting[self.spawn(follow)] = index

    def check(self) -> None:
        super().check()
        for seen in self.seen:
            assert sorted(set(seen)) == seen, "seen twice, or in the wrong order"
        self.waiting = {task: index for task, index in self.waiting.items() if not task.done()}

    def check_at_rest(self) -> None:
        waiting = self.arrivals.count("Watcher.changed()")
        assert waiting == self.watch.statistics().tasks_waiting == len(self.waiting)
        for index in self.waiting.values():
            assert self.seen[index][-1] == self.newest, "a change, and a watcher forgotten"

    def check_at_the_end(self) -> None:
        assert self.watch.statistics().tasks_waiting == 0

    def teardown(self) -> None:
        super().teardown()
        if self.loop is not None:
            self.watch.close()


TestBroadcasts = as_test(Broadcasts)
TestWatches = as_test(Watches)
