"""A stress test: loops in many threads, which talk in every way that is meant for that.

Each thread runs a loop, and each loop calls the others by sockets, portals, thread-safe calls and
tasks, and what they answer is checked. Meanwhile loops come and go, calls are cancelled, and things
are left to the garbage collector. It is for Pythons without a GIL, where threads meet in the middle
of anything, and passes on all.

    PYTHONPATH=tests python -m support.many_loops --seconds 3600

The last line has the figures; an exit code other than 0 says that something went wrong.
"""

from __future__ import annotations

import argparse
import collections
import gc
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from functools import partial
from pathlib import Path
from typing import Any

import giambio

THREADS = 8
#: How long a call may take on a busy machine, in seconds, before it is taken for lost.
LOST = 120.0
#: The memory is looked at for the first time when this part of the time is over: then all is
#: loaded, and the pools of threads and the allocator have found their size.
WARM = 0.2


class Peer:
    """One loop, as the others see it."""

    def __init__(self, loop: giambio.EventLoop, port: int) -> None:
        self.loop = loop
        self.port = port
        self.portal = giambio.BlockingPortal()
        self.manager = giambio.TaskManager()


class Stress:
    """One run: the peers, and what all have counted."""

    def __init__(self, threads: int, seconds: float, driver: str | None) -> None:
        self.threads = threads
        self.driver = driver
        self.begin = time.monotonic()
        self.end = self.begin + seconds
        self.peers: list[Peer] = []
        self.barrier = threading.Barrier(threads)
        self.failures: list[BaseException] = []
        self.counts: list[collections.Counter[str]] = []
        self.memory: list[int] = []

    def goes_on(self) -> bool:
        """Whether there is time left, and nothing has failed."""
        return time.monotonic() < self.end and not self.failures

    def run(self) -> collections.Counter[str]:
        """Run all loops, and return the sum of what they have counted.

        Raises:
            BaseExceptionGroup: some have failed.
        """
        threads = [threading.Thread(target=self.thread, args=(n,)) for n in range(self.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise BaseExceptionGroup("loops have failed", self.failures)
        return sum(self.counts, collections.Counter())

    def thread(self, number: int) -> None:
        """Run one loop, in its thread."""
        try:
            counts = giambio.run(Talker(self, number).main, driver=self.driver)
            self.counts.append(counts)
        except BaseException as exc:
            self.failures.append(exc)
            self.barrier.abort()


class Talker:
    """What one loop does."""

    def __init__(self, stress: Stress, number: int) -> None:
        self.stress = stress
        self.random = random.Random(number)
        self.counts: collections.Counter[str] = collections.Counter()
        self.me: Peer

    async def main(self) -> collections.Counter[str]:
        """Serve the others, and talk to them until the time is over."""
        async with giambio.TaskManager() as servers:
            server = partial(giambio.serve_tcp, echo, 0, host="127.0.0.1")
            (listener,) = await servers.start(server)
            self.me = Peer(giambio.current_loop(), listener.address[1])
            async with self.me.portal, self.me.manager:
                self.stress.peers.append(self.me)
                await giambio.to_thread(self.stress.barrier.wait)
                ways = [self.echo, self.portal, self.signal, self.spawn, self.cancel]
                ways += [self.callback, self.short_loop, self.litter]
                async with giambio.TaskManager() as talks:
                    for way in ways:
                        await talks.spawn(self.again, way)
                    await talks.spawn(self.look_at_memory)
                # All others have stopped before the portal is left, and the server.
                await giambio.to_thread(self.stress.barrier.wait)
            servers.cancel()
        return self.counts

    async def again(self, way: Callable[[Peer], Awaitable[None]]) -> None:
        """Talk in one way, to one after the other."""
        while self.stress.goes_on():
            with giambio.fail_after(LOST):
                await way(self.random.choice(self.stress.peers))

    async def look_at_memory(self) -> None:
        """The first loop notes how much there is, when all has begun and at the end."""
        if self.me is self.stress.peers[0]:
            length = self.stress.end - self.stress.begin
            await giambio.sleep(max(0.0, self.stress.begin + WARM * length - time.monotonic()))
            self.stress.memory.append(resident_memory())

    # -- the ways --------------------------------------------------------------------------

    async def echo(self, peer: Peer) -> None:
        """Some messages by a connection."""
        async with await giambio.connect_tcp("127.0.0.1", peer.port) as connection:
            stream = giambio.BufferedStream(connection)
            for _ in range(self.random.randrange(1, 40)):
                message = self.random.randbytes(self.random.randrange(1, 3000))
                await stream.send_all(message)
                assert await stream.receive_exactly(len(message)) == message
                self.counts["messages"] += 1

    async def portal(self, peer: Peer) -> None:
        """A call through a portal, from a worker thread."""
        number = self.random.randrange(1000)
        if peer is not self.me:
            assert await giambio.to_thread(peer.portal.call, double, number) == 2 * number
            self.counts["portal calls"] += 1

    async def signal(self, peer: Peer) -> None:
        """A call there, which makes one here."""
        for _ in range(20):
            event = giambio.Event()
            answer = giambio.current_loop().call_soon_threadsafe
            peer.loop.call_soon_threadsafe(answer, event.set)
            await event.wait()
            self.counts["thread-safe calls"] += 2

    async def spawn(self, peer: Peer) -> None:
        """A task there, and its result here."""
        number = self.random.randrange(1000)
        future = peer.manager.spawn_threadsafe(double, number)
        await settled(future)
        assert future.result() == 2 * number
        self.counts["tasks"] += 1

    async def cancel(self, peer: Peer) -> None:
        """Calls and tasks there that are cancelled at any moment."""
        called: list[int] = []
        handle = peer.loop.call_soon_threadsafe(called.append, 1)
        future = peer.manager.spawn_threadsafe(giambio.sleep, 0.0001)
        if self.random.randrange(2):
            await giambio.checkpoint()
        handle.cancel()
        future.cancel()
        await settled(future)
        try:
            assert future.result() is None
        except CancelledError:
            self.counts["cancelled tasks"] += 1
        assert len(called) <= 1
        await giambio.sleep(0.0005)  # the other ways take longer

    async def callback(self, peer: Peer) -> None:
        """A thread that calls back, and looks whether it was cancelled."""
        number = self.random.randrange(1000)

        def blocking() -> int:
            giambio.from_thread.check_cancelled()
            return giambio.from_thread.run(double, number)

        assert await giambio.to_thread(blocking) == 2 * number
        with giambio.move_on_after(self.random.random() * 0.001):
            await giambio.to_thread(until_cancelled)
        self.counts["callbacks"] += 1

    async def short_loop(self, peer: Peer) -> None:
        """A loop that ends while this one calls it."""
        made: Future[tuple[giambio.EventLoop, giambio.TaskManager]] = Future()
        loop_task = giambio.to_thread(run_short_loop, made)
        async with giambio.TaskManager() as manager:
            await manager.spawn(loop_task)
            await settled(made)
            loop, tasks = made.result()
            for _ in range(5):
                try:
                    loop.call_soon_threadsafe(int).cancel()
                    future = tasks.spawn_threadsafe(double, 1)
                except giambio.RunFinishedError:
                    break
                await settled(future)
                try:
                    assert future.result() == 2
                except giambio.RunFinishedError:
                    break
        self.counts["short loops"] += 1

    async def litter(self, peer: Peer) -> None:
        """What is left to the garbage collector, which runs in any thread."""

        async def generator() -> Any:
            yield 1
            yield 2

        cycle: list[Any] = [generator()]
        cycle.append(cycle)
        async for _ in cycle[0]:
            break
        send, receive = giambio.open_channel(1)
        send.send_nowait(cycle)
        send.close()
        receive.close()
        del cycle
        if self.random.randrange(50) == 0:
            gc.collect()
        await giambio.sleep(0.001)
        self.counts["litter"] += 1


async def echo(connection: giambio.AsyncSocket) -> None:
    """Serve one connection."""
    while data := await connection.receive():
        await connection.send_all(data)


async def double(number: int) -> int:
    """Wait a little, and answer."""
    await giambio.checkpoint()
    return 2 * number


def until_cancelled() -> None:
    """Compute until the task that waits is cancelled."""
    while True:
        giambio.from_thread.check_cancelled()


def run_short_loop(made: Future[tuple[giambio.EventLoop, giambio.TaskManager]]) -> None:
    """Run a loop for a few turns."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            made.set_result((giambio.current_loop(), manager))
            for _ in range(3):
                await giambio.checkpoint()

    giambio.run(main)


async def settled(future: Future[Any]) -> None:
    """Wait until a future of any thread is settled."""
    event = giambio.Event()
    loop = giambio.current_loop()
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(event.set))
    await event.wait()


def resident_memory() -> int:
    """Return how many KiB of memory the process has."""
    gc.collect()
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--driver")
    options = parser.parse_args()
    stress = Stress(options.threads, options.seconds, options.driver)
    counts = stress.run()
    stress.memory.append(resident_memory())
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(giambio.build_info(), "with the GIL" if gil else "without the GIL")
    begin, end = stress.memory
    figures = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    seconds = time.monotonic() - stress.begin
    print(f"{seconds:.0f} s, {options.threads} loops: {figures}; memory {begin} to {end} KiB")


if __name__ == "__main__":
    main()
