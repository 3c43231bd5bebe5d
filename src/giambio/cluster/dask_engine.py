"""Dask distributed as the engine of a cluster: all that giambio knows of Dask.

Dask runs a task again when its worker is lost, also when only the result was. So that a call has
begun is noted on the scheduler, which survives the worker; there it is decided whether it may
begin, and whether it was cancelled before.

When a scheduler is lost, so are its calls, for good: Dask's workers end, and the client finds the
one that takes its place at the same address. That one has to be prepared by who asks it first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
from distributed import Client, Future, LocalCluster, get_worker
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin
from distributed.utils import sync

from giambio.cluster import remote
from giambio.errors import WorkerLost

__all__ = ["DaskEngine"]

NAME = "giambio"
PREFIX = "giambio-"
LOST = "the worker was lost while the function ran there"
#: For workers of this machine: a terminal sends Ctrl-C to all, and this program decides on it. That
#: is not SIG_IGN, which the programs that are started there would inherit.
IGNORE_CTRL_C = "import signal; signal.signal(signal.SIGINT, lambda number, frame: None)"
#: How many cancelled calls the scheduler remembers: one may be about to begin.
REMEMBERED = 100_000


class Begun(SchedulerPlugin):
    """How often calls have begun; on the scheduler.

    Parameters:
        scheduler: the one that it is added to.
    """

    name = NAME

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._times: dict[str, int] = {}
        #: Those that may not begin once more.
        self._last: set[str] = set()
        self._cancelled = remote.Remembered(REMEMBERED)

    def begin(self, token: str, runs: int) -> bool:
        """Note that a call begins, if it may; one of a scheduler before this one may not."""
        times = self._times.get(token, 0) + 1
        known = PREFIX + token in self._scheduler.tasks
        if times > runs or token in self._cancelled or not known:
            return False
        self._times[token] = times
        if times == runs:
            self._last.add(token)
        return True

    def cancel(self, tokens: list[str]) -> list[str]:
        """Have calls never begin any more, and return those that have begun."""
        for token in tokens:
            self._cancelled.add(token)
        return [token for token in tokens if token in self._times]

    def transition(self, key: Any, start: Any, finish: Any, *args: Any, **kwargs: Any) -> None:
        """See `SchedulerPlugin.transition`: forget what Dask forgets, and give up what is lost."""
        if not isinstance(key, str):
            return
        token = key.removeprefix(PREFIX)
        if finish == "forgotten":
            self._times.pop(token, None)
            self._last.discard(token)
        elif finish == "released" and (
            token in self._last or (token in self._times and token in self._cancelled)
        ):
            self._scheduler.loop.add_callback(self._give_up, key)

    def _give_up(self, key: str) -> None:
        """Have a call be lost instead of waiting for a worker, which would not begin it."""
        task = self._scheduler.tasks.get(key)
        for client in list(task.who_wants or ()) if task is not None else ():
            self._scheduler.stimulus_cancel(
                [key], client.client_key, force=True, reason="worker-lost", msg=LOST
            )


class Running(WorkerPlugin):
    """The calls that run on a worker, which are cancelled when it ends; on the worker."""

    name = NAME

    def __init__(self) -> None:
        self.tokens: set[str] = set()

    def teardown(self, worker: Any) -> None:
        """See `WorkerPlugin.teardown`: it was told to end, or has lost the scheduler."""
        remote.cancel(list(self.tokens))


def prepare(dask_scheduler: Any) -> None:
    """Have a scheduler note what has begun; run on it."""
    if "giambio_begin" not in dask_scheduler.handlers:
        begun = Begun(dask_scheduler)
        dask_scheduler.add_plugin(begun)
        dask_scheduler.handlers.update(giambio_begin=begun.begin, giambio_cancel=begun.cancel)


async def ask(scheduler: Any, what: str, **arguments: Any) -> Any:
    """Have a scheduler do something, which may be a new one that is not prepared."""
    answer = await getattr(scheduler, what)(**arguments)
    if answer is None:
        await scheduler.run_function(function=cloudpickle.dumps(prepare))
        answer = await getattr(scheduler, what)(**arguments)
    return answer


async def begin(worker: Any, token: str, runs: int) -> bool:
    """Return whether a call may begin; run on the loop of a worker."""
    if NAME not in worker.plugins:
        await worker.plugin_add(Running(), NAME)
    may: bool = await ask(worker.scheduler, "giambio_begin", token=token, runs=runs)
    return may


def run(payload: bytes, token: str, runs: int) -> bytes:
    """Call a function, if it may begin; run on a worker, in one of its threads."""
    worker = get_worker()
    if not sync(worker.loop, begin, worker, token, runs):
        raise WorkerLost(LOST)
    running: Any = worker.plugins.get(NAME)
    if running is None:
        raise WorkerLost("the worker ends")
    running.tokens.add(token)
    try:
        return remote.call(payload, token)
    finally:
        running.tokens.discard(token)


class DaskEngine:
    """See `Engine`.

    Parameters:
        address: of the scheduler; None starts a cluster on this machine.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._cluster: Any = None
        self._client: Any = None
        self._futures: dict[str, Future[bytes]] = {}

    def open(self) -> int:
        """See `Engine.open`."""
        if self._address is None:
            # Without a dashboard there is still its port, which another cluster may have.
            port: Any = {"dashboard_address": "127.0.0.1:0"}
            self._cluster = LocalCluster(  # type: ignore[no-untyped-call]
                dashboard_address=None, scheduler_kwargs=port, preload=[IGNORE_CTRL_C]
            )
        try:
            where = self._cluster or self._address
            self._client = Client(where, set_as_default=False)  # type: ignore[no-untyped-call]
            self._client.run_on_scheduler(prepare)
            return sum(self._client.nthreads().values())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """See `Engine.close`."""
        try:
            if self._client is not None:
                self._client.close()
        finally:
            if self._cluster is not None:
                self._cluster.close()

    def submit(self, token: str, payload: bytes, runs: int, when_done: Callable[[], None]) -> None:
        """See `Engine.submit`."""
        future = self._client.submit(run, payload, token, runs, key=PREFIX + token, pure=False)
        self._futures[token] = future
        future.add_done_callback(lambda _: when_done())

    def result(self, token: str) -> bytes:
        """See `Engine.result`."""
        try:
            data: bytes = self._futures[token].result()
        except WorkerLost:
            raise
        except BaseException as exc:  # Dask's cancellation is asyncio's
            raise WorkerLost(f"the call is lost, as Dask says: {exc}") from exc
        return data

    def cancel(self, tokens: list[str]) -> set[str]:
        """See `Engine.cancel`."""
        try:
            scheduler = self._client.scheduler
            begun = self._client.sync(ask, scheduler, "giambio_cancel", tokens=tokens)
            never = set(tokens).difference(begun)
            self._client.cancel([self._futures[token] for token in never], force=True)
            if begun:
                self._client.run(remote.cancel, begun, on_error="ignore")
        except OSError:  # the scheduler has gone; then all calls are lost, and so they are done
            return set()
        return never

    def forget(self, token: str) -> None:
        """See `Engine.forget`."""
        del self._futures[token]
