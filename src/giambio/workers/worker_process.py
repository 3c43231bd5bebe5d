"""One worker, as its parent sees it: started, ready, alive, ended.

It is a fresh interpreter, because a fork would inherit a loop that runs. It is ended by SIGTERM,
and by SIGKILL if that does not help: that is what the block of a `Process` does.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import Any

from giambio.errors import BrokenWorkerProcess
from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.net.wait_fd import wait_readable
from giambio.processes.process import Process, open_process
from giambio.processes.worker_pool import fresh_interpreter, how_it_ended
from giambio.tasks.manager import TaskManager
from giambio.tasks.task_status import TaskStatus
from giambio.tasks.timeouts import move_on_after

__all__ = ["Settings", "run_worker"]

log = logging.getLogger("giambio.workers")

#: Seconds between two signs of life, if the parent does not want more of them.
INTERVAL = 1.0
#: How many waits for a sign of life make up the time after which a worker is given up. A parent
#: that was stopped for a while, such as by Ctrl-Z, has missed one of them at most.
WAITS = 4
#: Seconds that a worker has to clean up when its grace is over, before it is killed.
LAST_SECONDS = 2.0

PROGRAM = "from giambio.workers.worker import main; main(*sys.argv[1:])"


@dataclass(frozen=True)
class Settings:
    """What a worker serves, and how; see `run_workers`."""

    target: str
    interface: str
    descriptors: list[int]
    addresses: list[Any]
    grace: float
    heartbeat: float
    ready_timeout: float


async def run_worker(
    settings: Settings, processes: set[Process], task_status: TaskStatus[None]
) -> None:
    """Start a worker, and wait for its end, which is an error.

    Parameters:
        settings: what it serves.
        processes: the worker is among them while it runs.
        task_status: told when it is ready.

    Raises:
        BrokenWorkerProcess: it has ended, was not ready in time, or gave no sign of life.
        OSError: it cannot be started.

    Cancelled, the worker is told to end, and has ended then.
    """
    try:
        await live(settings, processes, task_status)
    except (BrokenWorkerProcess, OSError):
        await checkpoint_if_cancelled()  # what is told to end may end in any way
        raise


async def live(settings: Settings, processes: set[Process], task_status: TaskStatus[None]) -> None:
    """Do what `run_worker` does."""
    reading, writing = os.pipe()
    try:
        try:
            process = await start(settings, writing)
        finally:
            os.close(writing)
        processes.add(process)
        watch = Watch(settings, process, reading, task_status)
        try:
            async with process, TaskManager(strict=False) as manager:
                manager.start_soon(watch.watch)
                code = await process.wait()
                manager.cancel()
        finally:
            processes.discard(process)
    finally:
        os.close(reading)
    when = "" if watch.ready else " before it was ready"
    raise BrokenWorkerProcess(f"worker process {process.pid} {how_it_ended(code)}{when}", code)


async def start(settings: Settings, report: int) -> Process:
    """Start the process of a worker."""
    given = {
        "interface": settings.interface,
        "descriptors": settings.descriptors,
        "addresses": settings.addresses,
        "grace": settings.grace,
        "report": report,
        "interval": min(INTERVAL, settings.heartbeat / WAITS),
    }
    return await open_process(
        fresh_interpreter(PROGRAM, settings.target, json.dumps(given)),
        pass_fds=(*settings.descriptors, report),
        terminate_timeout=settings.grace + LAST_SECONDS,
    )


class Watch:
    """What a worker reports."""

    def __init__(
        self, settings: Settings, process: Process, reading: int, task_status: TaskStatus[None]
    ) -> None:
        self._settings = settings
        self._process = process
        self._reading = reading
        self._task_status = task_status
        self.ready = False

    async def watch(self) -> None:
        """Follow the reports until they end.

        Raises:
            BrokenWorkerProcess: it was not ready in time, or gave no sign of life.
        """
        with move_on_after(self._settings.ready_timeout) as starting:
            while reports := await self._reports():
                if b"R" in reports:
                    break
        if starting.cancelled_caught:
            raise self._lost(f"was not ready within {self._settings.ready_timeout:g} s")
        if not reports:
            return  # it ends
        self.ready = True
        log.info("worker process %s is ready", self._process.pid)
        self._task_status.started()
        missed = 0
        while reports and missed < WAITS:
            with move_on_after(self._settings.heartbeat / WAITS) as waiting:
                reports = await self._reports()
            missed = missed + 1 if waiting.cancelled_caught else 0
        if missed:
            # Its loop does not turn, so it would not notice SIGTERM.
            self._process.kill()
            raise self._lost(f"gave no sign of life for {self._settings.heartbeat:g} s")

    async def _reports(self) -> bytes:
        await wait_readable(self._reading)
        return os.read(self._reading, 4096)

    def _lost(self, why: str) -> BrokenWorkerProcess:
        return BrokenWorkerProcess(f"worker process {self._process.pid} {why}", None)
