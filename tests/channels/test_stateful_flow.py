"""Channels and queues in programs that Hypothesis invents.

No item is lost or duplicated, no waiter is forgotten, order is kept: under random
schedules and random cancellation.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

import giambio
from support.stateful import LoopMachine, as_test


class Flow(LoopMachine):
    """Numbers that go in at one end, and come out at the other. A machine says of what."""

    #: How the two operations are called.
    into = ""
    out_of = ""
    #: Whether what went in first comes out first.
    in_order = True

    def prepare(self) -> None:
        # What went in, or was about to when its task parked, in that order.
        self.offered: list[int] = []
        self.accepted: set[int] = set()
        self.came_out: list[int] = []
        self.make()

    def make(self) -> None:
        """Make what is tested, of this size."""
        raise NotImplementedError

    def put(self, item: int) -> Any:
        raise NotImplementedError

    def put_nowait(self, item: int) -> None:
        raise NotImplementedError

    def get(self) -> Any:
        raise NotImplementedError

    def get_nowait(self) -> int:
        raise NotImplementedError

    def inside(self) -> int:
        """How many items are between the ends."""
        raise NotImplementedError

    async def producer(self, items: list[int]) -> None:
        for item in items:
            await self.put(item)
            self.accepted.add(item)

    async def consumer(self, count: int) -> None:
        for _ in range(count):
            self.came_out.append(await self.get())

    @rule(count=st.integers(1, 3))
    def begin_producer(self, count: int) -> None:
        self.spawn(self.producer, [self.number() for _ in range(count)])

    @rule(count=st.integers(1, 3))
    def begin_consumer(self, count: int) -> None:
        self.spawn(self.consumer, count)

    @rule()
    def put_one_now(self) -> None:
        waited = self.arrivals.count(self.into)
        item = self.number()
        try:
            self.put_nowait(item)
        except giambio.WouldBlock:
            return
        assert waited == 0, "barged in"
        self.accepted.add(item)

    @rule()
    def get_one_now(self) -> None:
        waited = self.arrivals.count(self.out_of)
        try:
            item = self.get_nowait()
        except giambio.WouldBlock:
            return
        assert waited == 0, "barged in"
        self.came_out.append(item)

    def check(self) -> None:
        super().check()
        assert len(set(self.came_out)) == len(self.came_out), "an item came out twice"

    def check_at_rest(self) -> None:
        putting = self.arrivals.count(self.into)
        getting = self.arrivals.count(self.out_of)
        assert not (putting and getting), "they do not find each other"
        assert not putting or self.inside() == self.size, "room, and a waiter forgotten"
        assert not getting or self.inside() == 0, "items, and a waiter forgotten"

    def check_at_the_end(self) -> None:
        while True:
            try:
                self.came_out.append(self.get_nowait())
            except giambio.WouldBlock:
                break
        assert len(set(self.came_out)) == len(self.came_out), "an item came out twice"
        # A producer that is cancelled has not put its item in; one that was told so has.
        assert set(self.came_out) == self.accepted, "lost, or made of nothing"
        if self.in_order:
            self.check_order()

    def check_order(self) -> None:
        """What one task put in one after the other came out in that order."""


class OneConsumer(Flow):
    """With one consumer at a time the order of all items can be checked."""

    def prepare(self) -> None:
        super().prepare()
        self.order: list[int] = []
        self.current: dict[Any, int] = {}
        self.arrivals.on_parked = self.place

    async def producer(self, items: list[int]) -> None:
        for item in items:
            operation = self.put(item)
            # Its place is that of its first try: where it parks, or where it is done.
            self.current[giambio.current_task()] = item
            await operation
            self.accepted.add(item)
            self.place(giambio.current_task())

    def place(self, task: Any) -> None:
        item = self.current.pop(task, None)
        if item is not None:
            self.order.append(item)

    def begin_consumer(self) -> None:  # type: ignore[override]
        """No rule: `get_one_now` is the one consumer."""

    def put_one_now(self) -> None:  # type: ignore[override]
        """No rule: producers are tasks here."""

    def check_order(self) -> None:
        expected = [item for item in self.order if item in self.accepted]
        assert self.came_out == expected, "out of order"


class ChannelFlow(Flow):
    """A channel."""

    into = "SendChannel.send()"
    out_of = "ReceiveChannel.receive()"
    fair = (into, out_of)

    def make(self) -> None:
        self.send_end, self.receive_end = giambio.open_channel(self.size)

    def put(self, item: int) -> Any:
        return self.send_end.send(item)

    def put_nowait(self, item: int) -> None:
        self.send_end.send_nowait(item)

    def get(self) -> Any:
        return self.receive_end.receive()

    def get_nowait(self) -> int:
        item: int = self.receive_end.receive_nowait()
        return item

    def inside(self) -> int:
        return self.send_end.statistics().current_buffer_used

    def teardown(self) -> None:
        super().teardown()
        if self.loop is not None:
            self.send_end.close()
            self.receive_end.close()


class QueueFlow(Flow):
    """A queue."""

    into = "Queue.put()"
    out_of = "Queue.get()"
    fair = (into, out_of)
    kind: Any = giambio.Queue

    def make(self) -> None:
        self.size += 1  # 0 would be without a limit
        self.queue = self.kind(self.size)

    def put(self, item: int) -> Any:
        return self.queue.put(item)

    def put_nowait(self, item: int) -> None:
        self.queue.put_nowait(item)

    def get(self) -> Any:
        return self.queue.get()

    def get_nowait(self) -> int:
        item: int = self.queue.get_nowait()
        return item

    def inside(self) -> int:
        return int(self.queue.qsize())


class PriorityQueueFlow(QueueFlow):
    into = "PriorityQueue.put()"
    out_of = "PriorityQueue.get()"
    fair = (into, out_of)
    in_order = False
    kind = giambio.PriorityQueue


class LifoQueueFlow(QueueFlow):
    into = "LifoQueue.put()"
    out_of = "LifoQueue.get()"
    fair = (into, out_of)
    in_order = False
    kind = giambio.LifoQueue


class ChannelOrder(OneConsumer, ChannelFlow):
    """A channel, and the order of what comes out."""


class QueueOrder(OneConsumer, QueueFlow):
    """A queue, and the order of what comes out."""


TestChannels = as_test(ChannelFlow)
TestChannelOrder = as_test(ChannelOrder)
TestQueues = as_test(QueueFlow)
TestQueueOrder = as_test(QueueOrder)
TestPriorityQueues = as_test(PriorityQueueFlow)
TestLifoQueues = as_test(LifoQueueFlow)
