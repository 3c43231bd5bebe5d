"""Does giambio work on this system at all? For places where pytest is too much.

    python .ci/smoke.py compiled|pure

It prints what it has tried. `.ci/places.py` runs it in an emulator and beside musl; where
a program cannot start itself as usual, `SMOKE_PYTHON` names a command that does.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import giambio

sys.executable = os.environ.get("SMOKE_PYTHON", sys.executable)


async def tasks_and_scopes() -> None:
    """Results, failures, a deadline."""

    async def double(number: int | str) -> int:
        await giambio.sleep(0.001)
        return 2 * int(number)

    assert await giambio.map_concurrent(double, range(50), limit=7) == list(range(0, 100, 2))
    with giambio.move_on_after(0.01) as scope:
        await giambio.sleep_forever()
    assert scope.cancelled_caught
    try:
        async with giambio.TaskManager() as manager:
            manager.start_soon(giambio.sleep_forever)
            manager.start_soon(double, "no number")
    except ValueError:
        pass
    else:
        raise AssertionError("a failure was lost")


async def channels_and_locks() -> None:
    """Items in order, a lock, a broadcast that is dropped."""
    send, receive = giambio.open_channel[int](2)
    async with giambio.TaskManager() as manager, receive:

        async def produce() -> None:
            async with send:
                for number in range(20):
                    await send.send(number)

        manager.start_soon(produce)
        assert [number async for number in receive] == list(range(20))
    async with giambio.Lock():
        await giambio.checkpoint()


async def sockets() -> None:
    """A TCP server and its clients."""

    async def echo(stream: giambio.ByteStream) -> None:
        while data := await stream.receive():
            await stream.send_all(data)

    async def client(port: int) -> None:
        async with giambio.connect_tcp("127.0.0.1", port) as stream:
            for size in (1, 1000, 100_000):
                await stream.send_all(b"x" * size)
                while size:
                    size -= len(await stream.receive())

    listeners = await giambio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].address[1]
    async with giambio.TaskManager() as manager:
        manager.start_soon(partial(giambio.serve_listeners, echo, listeners))
        await giambio.gather(*(client(port) for _ in range(5)))
        manager.cancel()


async def threads_and_files() -> None:
    """A worker thread that calls back, names, and a file."""
    await giambio.to_thread(giambio.from_thread.run, giambio.sleep, 0.001)
    assert await giambio.getaddrinfo("localhost", 80)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        async with giambio.open_file(path, "w") as file:
            await file.write("text\n" * 10_000)
        async with giambio.open_file(path) as file:
            assert len(await file.read()) == 50_000


async def signals_and_processes() -> None:
    """A signal, a program, a worker process."""
    with giambio.open_signal_receiver(signal.SIGUSR1) as received:
        os.kill(os.getpid(), signal.SIGUSR1)
        async for number in received:
            assert number == signal.SIGUSR1
            break
    done = await giambio.run_process([sys.executable, "-c", "print(6)"], capture_stdout=True)
    assert done.stdout == b"6\n"
    assert await giambio.to_process(pow, 2, 16) == 65536


async def deadlock() -> None:
    """Nobody sets the event."""
    try:
        await giambio.Event().wait()
    except giambio.DeadlockError:
        return
    raise AssertionError("no DeadlockError")


CHECKS: list[Callable[[], Awaitable[None]]] = [
    tasks_and_scopes,
    channels_and_locks,
    sockets,
    threads_and_files,
    signals_and_processes,
    deadlock,
]


def main() -> None:
    info = giambio.build_info()
    print(f"{sys.version}, {platform.machine()}, {info.build}")
    assert info.build == sys.argv[1], info
    for driver in ("epoll", "selectors"):
        for check in CHECKS:
            giambio.run(check, driver=driver)
            print(f"{driver}: {check.__name__}", flush=True)


if __name__ == "__main__":
    main()
