"""The parent of workers: it holds the listeners, and generations of workers that serve them.

A generation is a supervisor with one function for each worker. At a reload the next one is
started; when all its workers are ready the one before is told to end, and if they are not, nothing
has changed. The signals are handled beside all that, so they also come through in between.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeAlias

from giambio.processes.process import Process
from giambio.signals import SignalReceiver, open_signal_receiver
from giambio.supervision.supervisor import Supervisor
from giambio.sync.event import Event
from giambio.tasks.cancel import CancelScope
from giambio.tasks.manager import TaskManager
from giambio.tasks.task_status import TaskStatus
from giambio.workers.bind_address import bind
from giambio.workers.handed_over import take_sockets_of_systemd
from giambio.workers.worker_process import Settings, run_worker

__all__ = ["Parent"]

#: How many restarts there may be for each worker, within so many seconds; see `Supervisor`.
RESTARTS = 3
PERIOD = 5.0

log = logging.getLogger("giambio.workers")

Follow: TypeAlias = Callable[[str, Callable[[list[str]], object]], Awaitable[None]]


class Generation:
    """Workers that were started together."""

    def __init__(self) -> None:
        self.scope = CancelScope()
        self.ended = Event()


class Parent:
    """One call of `run_workers`.

    Parameters:
        settings: those of the workers; where they listen is added here.
        listeners: the addresses; none for what systemd hands over.
        workers: how many there are.
        reuse_port: whether each has a listener of its own.
        follow: tells a function of changed source files of a folder, each of which is a reload;
            None for no such reloads.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: list[str],
        workers: int,
        reuse_port: bool,
        follow: Follow | None,
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._workers = workers
        self._reuse_port = reuse_port
        self._follow = follow
        self._processes: set[Process] = set()
        self._manager = TaskManager(strict=False)
        self._reload = Event()

    async def serve(self) -> None:
        """Serve until a signal says to stop.

        Raises:
            OSError: it cannot listen.
            BrokenWorkerProcess: a worker of the first generation was not ready.
            RestartLimitExceeded: workers have ended too often.
        """
        with ExitStack() as opened:
            await self._open(opened)
            signals = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
            received = opened.enter_context(open_signal_receiver(*signals))
            async with TaskManager(strict=False) as handling:
                handling.start_soon(self._obey, received)
                if self._follow is not None:
                    handling.start_soon(self._follow, os.getcwd(), self._reload_changed)
                async with self._manager:
                    await self._serve_generations()
                handling.cancel()

    async def _open(self, opened: ExitStack) -> None:
        """Listen, or take what systemd hands over."""
        descriptors: list[int] = []
        addresses: list[tuple[int, tuple[str, int]]] = []
        for text in self._listeners:
            bound = await bind(text, self._reuse_port)
            for listener in bound.listeners:
                opened.callback(listener.close_now)
                descriptors.append(listener._sock.fileno())
            addresses += bound.addresses
            for sock in bound.reserved:
                opened.callback(sock.close)
        if not self._listeners:
            for sock in take_sockets_of_systemd():
                opened.callback(sock.close)
                descriptors.append(sock.fileno())
        self._settings = replace(self._settings, descriptors=descriptors, addresses=addresses)

    async def _obey(self, received: SignalReceiver) -> None:
        """Do what the signals say: SIGHUP reloads; the others stop, and at last kill."""
        async for number in received:
            name = signal.Signals(number).name
            if number == signal.SIGHUP:
                self._reload.set()
            elif self._manager.cancel():
                log.info("stopping, because of %s", name)
            else:
                log.warning(
                    "killing the workers, because of another %s", signal.Signals(number).name
                )
                for process in self._processes:
                    process.kill()

    def _reload_changed(self, paths: list[str]) -> None:
        """Reload, because source files have changed."""
        log.info("changed: %s", ", ".join(map(os.path.relpath, paths)))
        self._reload.set()

    async def _serve_generations(self) -> None:
        """Start the first generation; at each reload, the next one takes over."""
        current = await self._start()
        log.info("serving")
        while True:
            await self._reload.wait()
            self._reload = Event()
            log.info("reloading")
            try:
                following = await self._start()
            except Exception as exc:
                log.error("the reload has failed, and nothing has changed: %s", exc)
                continue
            current.scope.cancel("reload")
            await current.ended.wait()
            current = following
            log.info("reloaded")

    async def _start(self) -> Generation:
        """Start a generation, and wait until all its workers are ready."""
        try:
            generation: Generation = await self._manager.start(self._live)
        except ExceptionGroup as exc:
            raise exc.exceptions[0] from None  # the others tell the same
        return generation

    async def _live(self, task_status: TaskStatus[Generation]) -> None:
        """Live through a generation."""
        generation = Generation()
        limit = RESTARTS * self._workers
        supervision = Supervisor(max_restarts=limit, period=PERIOD, on_restart=report)
        try:
            with generation.scope:
                async with supervision as supervisor:
                    async with TaskManager(strict=False) as starting:
                        for _ in range(self._workers):
                            starting.start_soon(self._start_worker, supervisor)
                    task_status.started(generation)
        finally:
            generation.ended.set()

    async def _start_worker(self, supervisor: Supervisor) -> None:
        await supervisor.start(
            run_worker, self._settings, self._processes, restart="permanent", name="a worker"
        )


def report(name: str, error: Exception | None, seconds: float | None) -> None:
    """Log that a worker has ended."""
    then = "" if seconds is None else f"; the next one starts in {seconds:.2f} s"
    log.warning("%s%s", error, then)
