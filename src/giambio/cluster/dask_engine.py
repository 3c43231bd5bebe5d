"""Dask distributed as the engine of a cluster: all that giambio knows of Dask.

Dask runs a task again when its worker is lost, also when only the result was. So that a call has
begun is noted on the scheduler, which survives the worker; there it is decided whether it may
begin, and whether it was cancelled before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from distributed import Client, Future, LocalCluster, get_worker
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.utils import sync

from giambio.cluster import remote
from giambio.errors import WorkerLost

__all__ = ["DaskEngine"]

PREFIX = "giambio-"
#: How many cancelled calls the scheduler remembers: one may be about to begin.
REMEMBERED = 100_000


class Begun(SchedulerPlugin):
    """How often calls have begun; on the scheduler."""

    name = "giambio"

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._cancelled = remote.Remembered(REMEMBERED)

    def begin(self, token: str, runs: int) -> bool:
        """Note that a call begins, if it may."""
        times = self._times.get(token, 0) + 1
        if times > runs or token in self._cancelled:
            return False
        self._times[token] = times
        return True

    def cancel(self, tokens: list[str]) -> list[str]:
        """Have calls never begin any more, and return those that have begun."""
        for token in tokens:
            self._cancelled.add(token)
        return [token for token in tokens if token in self._times]

    def transition(self, key: Any, start: Any, finish: Any, *args: Any, **kwargs: Any) -> None:
        """See `SchedulerPlugin.transition`: forget what Dask forgets."""
        if finish == "forgotten" and isinstance(key, str):
            self._times.pop(key.removeprefix(PREFIX), None)


def prepare(dask_scheduler: Any) -> None:
    """Have a scheduler note what has begun; run on it."""
    if "giambio_begin" not in dask_scheduler.handlers:
        begun = Begun()
        dask_scheduler.add_plugin(begun)
        dask_scheduler.handlers.update(giambio_begin=begun.begin, giambio_cancel=begun.cancel)


def run(payload: bytes, token: str, runs: int) -> bytes:
    """Call a function, if it may begin; run on a worker, in one of its threads."""
    worker = get_worker()
    if not sync(worker.loop, worker.scheduler.giambio_begin, token=token, runs=runs):
        raise WorkerLost("the worker was lost while the function ran there")
    return remote.call(payload, token)


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
            self._cluster = LocalCluster(dashboard_address=None, scheduler_kwargs=port)  # type: ignore[no-untyped-call]
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
            begun = self._client.sync(self._client.scheduler.giambio_cancel, tokens=tokens)
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
