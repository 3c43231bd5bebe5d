"""gevent: greenlets instead of coroutines."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import gevent.event
import gevent.lock
import gevent.queue
import gevent.subprocess

from tasks._work import BLOCK, BREATH, FAR_AWAY, PROGRAM, YIELDERS, delays

DESCRIPTION = f"gevent {gevent.__version__}"


def run(function: Callable[..., None], *args: object) -> None:
    function(*args)


def child() -> int:
    return 1


def spawn(n: int) -> None:
    for _ in range(n):
        gevent.spawn(child).get()


def spawn_block(n: int) -> None:
    for _ in range(n // BLOCK):
        gevent.joinall([gevent.spawn(child) for _ in range(BLOCK)])


def checkpoint(n: int) -> None:
    def take_turns() -> None:
        for _ in range(n // YIELDERS):
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(take_turns) for _ in range(YIELDERS)])


def checkpoint_alone(n: int) -> None:
    for _ in range(n):
        gevent.sleep(0)


def channel(n: int) -> None:
    queue = gevent.queue.SimpleQueue(1)

    def produce() -> None:
        for i in range(n):
            queue.put(i)

    producer = gevent.spawn(produce)
    for _ in range(n):
        queue.get()
    producer.join()


def sleepers(n: int) -> None:
    gevent.joinall([gevent.spawn(gevent.sleep, delay) for delay in delays(n)])


def timeout(n: int) -> None:
    for _ in range(n // BREATH):
        for _ in range(BREATH):
            with gevent.Timeout(FAR_AWAY):
                pass
        gevent.sleep(0)


def lock(n: int) -> None:
    """A lock that is free; gevent's own one for threads is this semaphore, too."""
    free = gevent.lock.BoundedSemaphore(1)
    for _ in range(n):
        with free:
            pass


def semaphore(n: int) -> None:
    """A semaphore with a permit that is free."""
    free = gevent.lock.Semaphore(1)
    for _ in range(n):
        with free:
            pass


def cancel(n: int) -> None:
    """A greenlet that waits, and is killed and joined."""
    for _ in range(n):
        task = gevent.spawn(gevent.event.Event().wait)
        gevent.sleep(0)
        task.kill()


def thread(n: int) -> None:
    pool = gevent.get_hub().threadpool
    for _ in range(n):
        pool.apply(int)


def process(n: int) -> None:
    for _ in range(n):
        gevent.subprocess.run([PROGRAM])


def idle_tasks(n: int, parked: Callable[[], None]) -> None:
    tasks = [gevent.spawn(gevent.event.Event().wait) for _ in range(n)]
    gevent.sleep(0.1)
    parked()
    gevent.killall(tasks)
