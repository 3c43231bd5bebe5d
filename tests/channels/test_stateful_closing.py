"""Channels and queues that are closed in the middle, in programs that Hypothesis invents.

All waiting tasks learn of the end, accepted items still come out, and no item comes out
twice: under random schedules and random cancellation.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import giambio
from support.stateful import LoopMachine, as_test


class ChannelEnds(LoopMachine):
    """A channel whose ends are cloned and closed; one receiving end stays open to the last."""

    def prepare(self) -> None:
        send, self.rest_of_it = giambio.open_channel(self.size)
        self.sending: list[Any] = [send]
        self.receiving: list[Any] = []
        self.accepted: set[int] = set()
        self.came_out: list[int] = []
        self.receivers: list[giambio.Task[Any]] = []

    async def send(self, end: Any, items: list[int]) -> None:
        """One task at an end that others may use, and close."""
        try:
            for item in items:
                await end.send(item)
                self.accepted.add(item)
        except giambio.ClosedResourceError:
            assert end not in self.sending, "an open end is not closed"

    async def receive(self, end: Any) -> None:
        try:
            async for item in end:
                self.came_out.append(item)
        except giambio.ClosedResourceError:
            assert end not in self.receiving, "an open end is not closed"
        else:
            assert not self.sending, "ended, and could go on"

    @precondition(lambda self: self.sending)
    @rule(data=st.data(), count=st.integers(1, 3))
    def begin_sender(self, data: Any, count: int) -> None:
        end = data.draw(st.sampled_from(self.sending))
        self.spawn(self.send, end, [self.number() for _ in range(count)])

    @rule(data=st.data())
    def begin_receiver(self, data: Any) -> None:
        if not self.receiving or data.draw(st.booleans()):
            self.receiving.append(self.rest_of_it.clone())
        end = data.draw(st.sampled_from(self.receiving))
        self.receivers.append(self.spawn(self.receive, end))

    @precondition(lambda self: self.sending)
    @rule(data=st.data())
    def clone_a_sending_end(self, data: Any) -> None:
        self.sending.append(data.draw(st.sampled_from(self.sending)).clone())

    @precondition(lambda self: self.sending)
    @rule(data=st.data())
    def close_a_sending_end(self, data: Any) -> None:
        end = data.draw(st.sampled_from(self.sending))
        self.sending.remove(end)
        end.close()

    @precondition(lambda self: self.receiving)
    @rule(data=st.data())
    def close_a_receiving_end(self, data: Any) -> None:
        end = data.draw(st.sampled_from(self.receiving))
        self.receiving.remove(end)
        end.close()

    def check(self) -> None:
        super().check()
        assert len(set(self.came_out)) == len(self.came_out), "an item came out twice"
        statistics = self.rest_of_it.statistics()
        assert statistics.open_send_channels == len(self.sending)
        assert statistics.open_receive_channels == len(self.receiving) + 1

    def check_at_rest(self) -> None:
        statistics = self.rest_of_it.statistics()
        sending = self.arrivals.count("SendChannel.send()")
        receiving = self.arrivals.count("ReceiveChannel.receive()")
        assert sending == statistics.tasks_waiting_send
        assert receiving == statistics.tasks_waiting_receive
        assert not sending or self.sending, "who sends at a closed end is not told"
        assert not receiving or self.receiving, "who receives at a closed end is not told"
        assert not receiving or self.sending, "the end, and a receiver forgotten"
        assert not sending or statistics.current_buffer_used == self.size
        assert not receiving or statistics.current_buffer_used == 0

    def check_at_the_end(self) -> None:
        while True:
            try:
                self.came_out.append(self.rest_of_it.receive_nowait())
            except (giambio.WouldBlock, giambio.EndOfStream):
                break
        assert sorted(self.came_out) == sorted(self.accepted), "lost, or made of nothing"

    def teardown(self) -> None:
        super().teardown()
        if self.loop is not None:
            for end in [*self.sending, *self.receiving, self.rest_of_it]:
                end.close()


class ChannelWithoutReceivers(LoopMachine):
    """When the last receiving end is closed, nobody waits to send, and nobody can."""

    def prepare(self) -> None:
        self.sending, self.receiving = giambio.open_channel(self.size)
        self.closed = False

    async def send(self, item: int) -> None:
        try:
            await self.sending.send(item)
        except giambio.BrokenResourceError:
            assert self.closed

    async def receive(self) -> None:
        try:
            await self.receiving.receive()
        except giambio.ClosedResourceError:
            assert self.closed

    @rule()
    def begin_sender(self) -> None:
        self.spawn(self.send, self.number())

    @rule()
    def begin_receiver(self) -> None:
        self.spawn(self.receive)

    @precondition(lambda self: not self.closed)
    @rule(sure=st.integers(0, 3))
    def close_it(self, sure: int) -> None:
        if sure == 0:
            self.closed = True
            self.receiving.close()

    def check_at_rest(self) -> None:
        assert not self.closed or not self.tasks, "closed, and a waiter forgotten"

    def check_at_the_end(self) -> None:
        self.receiving.close()
        self.sending.close()


class ClosingQueue(LoopMachine):
    """A queue with workers that say what is done, tasks that wait for all of it, and an end."""

    def prepare(self) -> None:
        self.queue: Any = giambio.Queue(self.size)
        self.accepted: set[int] = set()
        self.came_out: list[int] = []
        self.at_work: dict[int, giambio.Event] = {}
        self.closed = False

    async def produce(self, items: list[int]) -> None:
        try:
            for item in items:
                await self.queue.put(item)
                self.accepted.add(item)
        except giambio.ClosedResourceError:
            assert self.closed

    async def work(self) -> None:
        """A worker says that an item is done, however it ends."""
        async for item in self.queue:
            self.came_out.append(item)
            self.at_work[item] = giambio.Event()
            try:
                await self.at_work[item].wait()
            finally:
                del self.at_work[item]
                self.queue.task_done()

    async def wait_for_all(self) -> None:
        await self.queue.join()

    @rule(count=st.integers(1, 3))
    def begin_producer(self, count: int) -> None:
        self.spawn(self.produce, [self.number() for _ in range(count)])

    @rule()
    def begin_worker(self) -> None:
        self.spawn(self.work)

    @rule()
    def begin_to_wait(self) -> None:
        self.spawn(self.wait_for_all)

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def let_one_be_done(self, data: Any) -> None:
        self.at_work[data.draw(st.sampled_from(sorted(self.at_work)))].set()

    @precondition(lambda self: not self.closed)
    @rule(sure=st.integers(0, 7))
    def close_it(self, sure: int) -> None:
        if sure == 0:
            self.closed = True
            self.queue.close()

    def check(self) -> None:
        super().check()
        assert len(set(self.came_out)) == len(self.came_out), "an item came out twice"

    def check_at_rest(self) -> None:
        statistics = self.queue.statistics()
        putting = self.arrivals.count("Queue.put()")
        getting = self.arrivals.count("Queue.get()")
        joining = self.arrivals.count("Queue.join()")
        assert (putting, getting, joining) == statistics[3:]
        assert statistics.unfinished_tasks == statistics.qsize + len(self.at_work)
        assert not joining or statistics.unfinished_tasks, "all is done, and a waiter forgotten"
        assert not self.closed or not (putting or getting), "closed, and a waiter forgotten"
        assert not getting or statistics.qsize == 0, "items, and a waiter forgotten"
        assert not putting or statistics.qsize == self.size > 0, "room, and a waiter forgotten"

    def check_at_the_end(self) -> None:
        self.queue.close()
        while True:
            try:
                self.came_out.append(self.queue.get_nowait())
            except giambio.EndOfStream:
                break
        assert sorted(self.came_out) == sorted(self.accepted), "lost, or made of nothing"


TestChannelEnds = as_test(ChannelEnds)
TestChannelWithoutReceivers = as_test(ChannelWithoutReceivers)
TestClosingQueue = as_test(ClosingQueue)
