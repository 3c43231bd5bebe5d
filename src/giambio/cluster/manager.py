"""`ClusterManager`: a `TaskManager` whose functions run on other machines.

For each remote call there is a task here, which waits for its end. So all that holds for tasks
holds for calls: the block joins them, a failure cancels the others, and a limit is backpressure.
A task that is cancelled has its call cancelled over there, and leaves only when that has ended.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sized
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.cluster.engine import Engine
from giambio.combinators.map_concurrent import map_concurrent
from giambio.errors import RunFinishedError, TaskCancelled, WorkerLost
from giambio.kernel.blocks import refuse_with
from giambio.kernel.coroutines import discard, name_of
from giambio.kernel.external_wakeups import external_wakeups
from giambio.kernel.introspect import is_awaitable
from giambio.kernel.task import Task
from giambio.runtime.loop import current_loop
from giambio.sync.event import Event
from giambio.sync.lock import Lock
from giambio.tasks.cancel import CancelScope
from giambio.tasks.manager import TaskManager
from giambio.tasks.task_status import TaskStatus
from giambio.threads.to_thread import to_thread

__all__ = ["ClusterManager"]


class ClusterManager:
    """Functions on a Dask cluster: ``async with ClusterManager(address) as cluster: ...``

    Parameters:
        address: that of Dask's scheduler, such as ``"tcp://10.0.0.1:8786"``; by default a cluster
            is started on this machine, as `LocalCluster()` of Dask does it.
        limit: how many calls may be under way; `spawn` waits when there are as many. By default
            twice as many as the cluster can run at once, when the block is entered.
        context: values of context variables, as ``{variable: value}``, with which each call runs;
            by default none are sent. A variable is found over there by its name in the module
            where it is, which has to be one that workers can import.

    The block ends when all calls have ended. The first failure cancels the others, waits for them,
    and is raised with the traceback of the worker as a note. Leaving the block, cancelling it and
    several failures are as with a `TaskManager`.

    It needs giambio and Dask here, on the scheduler and on the workers: ``pip install
    'giambio[dask]'``; and the modules of the functions on the workers.

    Raises:
        TypeError, ValueError: a parameter is wrong.
        ModuleNotFoundError: on entering: Dask is not installed.
        OSError: on entering: there is no scheduler at `address`.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.ClusterManager("tcp://10.0.0.1:8786") as cluster:
        ...         return await cluster.map_concurrent(abs, [-1, -2])
    """

    __slots__ = (
        "__weakref__",
        "_address",
        "_cancelling",
        "_context",
        "_engine",
        "_entered",
        "_limit",
        "_left",
        "_manager",
        "_maps",
        "_never_begin",
        "_opened",
        "_to_cancel",
    )

    def __init__(
        self,
        address: str | None = None,
        *,
        limit: int | None = None,
        context: Mapping[ContextVar[Any], Any] | None = None,
    ) -> None:
        if not (address is None or isinstance(address, str)):
            raise TypeError(
                "ClusterManager() needs the address of a scheduler, such as "
                f'"tcp://127.0.0.1:8786", not {address!r}'
            )
        if limit is not None:
            check_int("ClusterManager()", "limit", limit, 1, "number of calls")
        self._address = address
        self._context = named_variables(context)
        self._engine: Any = None
        self._limit = limit
        self._manager: Any = None
        # A task for each `map_concurrent`, whose calls are tasks of its caller.
        self._maps: Any = TaskManager()
        self._opened = AsyncExitStack()
        self._entered = False
        self._left = False
        # Calls that are to be cancelled by the next broadcast, and who does one.
        self._to_cancel: list[str] = []
        self._cancelling = Lock()
        # Those of a broadcast that had not begun, until their tasks have seen it.
        self._never_begin: set[str] = set()

    # -- the block ---------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError(
                "this ClusterManager was used already; make a new one for each block"
            )
        self._entered = True
        self._engine = new_engine(self._address)
        async with AsyncExitStack() as opened:
            opened.push_async_callback(self._close)
            threads = await to_thread(self._engine.open)
            limit = self._limit or max(1, 2 * threads)
            await opened.enter_async_context(self._maps)
            manager: Any = TaskManager(limit=limit)
            await opened.enter_async_context(manager)
            self._opened = opened.pop_all()
        self._limit = limit
        self._manager = manager
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return bool(await self._opened.__aexit__(exc_type, exc, traceback))

    __enter__ = __exit__ = refuse_with

    async def _close(self) -> None:
        self._left = True
        with CancelScope(shield=True):
            await to_thread(self._engine.close)

    # -- calling -----------------------------------------------------------------------

    async def spawn(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        retries: int = 0,
        abandon_on_cancel: bool = False,
        name: str | None = None,
        **keywords: Any,
    ) -> Task[Any]:
        """Have a function run on a worker.

        Parameters:
            function: an ordinary function, or an async one, which runs in a loop of giambio's.
            args, keywords: its arguments. They are sent, and so is the result (by cloudpickle).
            retries: how often it may begin again when its worker is lost; by default it begins
                at most once.
            abandon_on_cancel: the effect of a cancellation. False waits until the call has ended.
                True only has it be cancelled over there, where it may run on for a while, such as
                in C code; what becomes of it is dropped, an error too.
            name: the name of the task; by default that of the function.

        Returns:
            A `Task`, whose result is that of the function.

        Raises:
            TypeError: `function` is no function, or it or its arguments cannot be sent.
            TypeError, ValueError: `retries` is no number of times.
            RuntimeError: the block was not entered yet.
            RunFinishedError: the block was left already.
            CancelledError: the caller is in a cancelled scope.

        A checkpoint, which waits while there are `limit` calls. The task fails with what the
        function raises; with `RemoteError` if that cannot be read here; with `WorkerLost` if the
        worker is lost and it may not begin again. Cancelled, it cancels the call over there, and
        waits until that has ended: an async function is cancelled as by a scope; an ordinary one
        gets an exception between two instructions of Python, and C code that waits is not cut
        short. What has not begun is dropped.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.ClusterManager() as cluster:
            ...         task = await cluster.spawn(pow, 2, 10)
            ...     return task.result()
        """
        what = "ClusterManager.spawn()"
        payload = packed_for(what, function, args, keywords, self._context)
        runs = check_int(what, "retries", retries, 0, "number of times") + 1
        self._check_open()
        task: Task[Any] = await self._manager.spawn(
            self._call, payload, runs, abandon_on_cancel, name=name or name_of(function)
        )
        return task

    async def map_concurrent(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        retries: int = 0,
        abandon_on_cancel: bool = False,
        progress: bool = False,
    ) -> list[Any]:
        """Call a function for each item on the workers, and return the results in order.

        Parameters:
            function: see `spawn`; it is called with one item.
            items: an iterable or an async iterable. The next item is taken when there is a place.
            retries, abandon_on_cancel: see `spawn`.
            progress: True shows a bar on stderr, if that is a terminal: how many calls have ended,
                of how many if `items` has a length. It needs rich: ``pip install
                'giambio[progress]'``.

        Returns:
            The results, in the order of the items.

        Raises:
            TypeError, ValueError, RuntimeError, RunFinishedError, CancelledError: see `spawn`.
            ModuleNotFoundError: rich is not installed, for `progress`.
            TaskCancelled: the block was cancelled, and the caller, outside of it, was not.
            BaseException: the failure of a call; the others are cancelled first, and have ended.
                Several failures are raised as an `ExceptionGroup`.

        A checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.ClusterManager() as cluster:
            ...         return await cluster.map_concurrent(abs, [-1, -2])
        """
        what = "ClusterManager.map_concurrent()"
        runs = check_int(what, "retries", retries, 0, "number of times") + 1
        packed_for(what, function, (), {}, self._context, "items")
        self._check_open()
        total = len(items) if isinstance(items, Sized) else None
        bar = progress_bar(name_of(function), total) if progress else nullcontext(lambda: None)

        async def call(item: Any) -> Any:
            payload = packed_for(what, function, (item,), {}, self._context)
            result = await self._call(payload, runs, abandon_on_cancel)
            call_has_ended()
            return result

        scope, ended = await self._maps.start(self._join)
        try:
            with scope, bar as call_has_ended:
                results: list[Any] = await map_concurrent(call, items, limit=self._limit)
                return results
        finally:
            ended.set()
        raise TaskCancelled("the calls were cancelled, because their ClusterManager was")

    async def _join(self, task_status: TaskStatus[tuple[CancelScope, Event]]) -> None:
        """Have the block wait for what a task does, which need not be inside of it."""
        scope = CancelScope()
        ended = Event()
        task_status.started((scope, ended))
        try:
            await ended.wait()
        except BaseException:
            scope.cancel("its ClusterManager was cancelled")
            with CancelScope(shield=True):
                await ended.wait()
            raise

    async def _call(self, payload: bytes, runs: int, abandon: bool) -> Any:
        """Have a call run, and return its result."""
        from giambio.cluster.remote import opened

        loop = current_loop()
        done = Event()

        def when_done() -> None:
            with suppress(RunFinishedError):  # the loop was closed by force
                loop.call_soon_threadsafe(done.set)

        token = uuid.uuid4().hex
        self._engine.submit(token, payload, runs, when_done)
        try:
            with external_wakeups():
                try:
                    await done.wait()
                except BaseException:
                    with CancelScope(shield=True):
                        begun = await self._cancel(token)
                        if begun and not abandon:
                            await done.wait()
                            await self._check_failure(token)
                    raise
            with CancelScope(shield=True):  # it has ended, and how is not to be lost
                data = await to_thread(self._engine.result, token)
        finally:
            self._engine.forget(token)
        return opened(data)

    async def _check_failure(self, token: str) -> None:
        """Raise what a call that was cancelled has raised instead of ending by that."""
        from giambio.cluster.remote import check_failure

        with suppress(WorkerLost):
            check_failure(await to_thread(self._engine.result, token))

    async def _cancel(self, token: str) -> bool:
        """Have a call be cancelled over there.

        Returns:
            False if it had not begun, and never will.
        """
        self._to_cancel.append(token)
        async with self._cancelling:
            if token in self._to_cancel:  # or it was part of another one's broadcast
                tokens = self._to_cancel
                self._to_cancel = []
                self._never_begin |= await to_thread(self._engine.cancel, tokens)
        if token in self._never_begin:
            self._never_begin.remove(token)
            return False
        return True

    def cancel(self, reason: object = None) -> bool:
        """Cancel the body and all calls; the block then ends without an error.

        Parameters:
            reason: the ``reason`` of the `CancelledError`.

        Returns:
            False if it was cancelled already.

        Raises:
            RuntimeError: the block was not entered yet.
            RunFinishedError: the block was left already.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.ClusterManager() as cluster:
            ...         await cluster.spawn(giambio.sleep, 60)
            ...         cluster.cancel()
        """
        self._check_open()
        cancelled: bool = self._maps.cancel(reason)
        return cancelled

    def _check_open(self) -> None:
        if self._manager is None:
            raise RuntimeError(
                "this ClusterManager was not entered yet; call functions inside of "
                "`async with giambio.ClusterManager(address) as cluster:`"
            )
        if self._left:
            raise RunFinishedError(
                "this ClusterManager's block was left already; call functions while it is open"
            )

    def __repr__(self) -> str:
        state = "not entered" if self._manager is None else f"limit {self._limit}"
        return f"<giambio.ClusterManager {state}>"


def new_engine(address: str | None) -> Engine:
    """Return the engine of a cluster.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    try:
        from giambio.cluster.dask_engine import DaskEngine
    except ModuleNotFoundError as exc:
        if exc.name in ("distributed", "cloudpickle", "dask"):
            exc.msg = "ClusterManager needs Dask: python -m pip install 'giambio[dask]'"
        raise
    return DaskEngine(address)


def packed_for(
    what: str,
    function: Any,
    args: tuple[Any, ...],
    keywords: dict[str, Any],
    context: dict[tuple[str, str], Any],
    arguments: str = "argument, ...",
) -> bytes:
    """Return a function and its arguments as bytes.

    Parameters:
        what: the call, for messages.
        function, args, keywords: what is sent.
        context: the values of context variables, by module and name.
        arguments: what the call takes besides the function, for messages.

    Raises:
        TypeError: it is no function, or they cannot be sent.
    """
    from giambio.cluster.remote import packed

    if is_awaitable(function) or not callable(function):
        discard(function)
        raise TypeError(
            f"{what} needs a function, not {function!r}, which cannot be sent to another machine; "
            f"write {what[:-1]}function, {arguments})"
        )
    try:
        return packed(function, args, keywords, context)
    except Exception as exc:
        raise TypeError(
            f"{what} cannot send {name_of(function)}() and its arguments to another machine: {exc}"
        ) from exc


def named_variables(
    context: Mapping[ContextVar[Any], Any] | None,
) -> dict[tuple[str, str], Any]:
    """Return values of context variables, by module and name of each.

    Raises:
        TypeError: it is no mapping of context variables.
        ValueError: a variable is in no module.
    """
    if context is None:
        return {}
    what = "ClusterManager()"
    if not isinstance(context, Mapping):
        raise TypeError(f"{what} needs context={{variable: value}}, not {context!r}")
    return {name_of_variable(what, variable): value for variable, value in context.items()}


def name_of_variable(what: str, variable: object) -> tuple[str, str]:
    """Return the module of a context variable, and its name there.

    Raises:
        TypeError, ValueError: see `named_variables`.
    """
    if not isinstance(variable, ContextVar):
        raise TypeError(f"{what} needs context variables in context=, not {variable!r}")
    for module, contents in list(sys.modules.items()):
        for name, value in list(getattr(contents, "__dict__", {}).items()):
            if value is variable and module != "__main__":
                return module, name
    raise ValueError(
        f"{what} cannot send {variable!r}, which workers find by its name; define it at the top "
        "level of a module that they can import, which the main program is not"
    )


def progress_bar(name: str, total: int | None) -> AbstractContextManager[Callable[[], None]]:
    """Return a progress bar.

    Raises:
        ModuleNotFoundError: rich is not installed.
    """
    try:
        from giambio.cluster.progress import shown
    except ModuleNotFoundError as exc:
        if exc.name is not None and exc.name.partition(".")[0] == "rich":
            exc.msg = "progress=True needs rich: python -m pip install 'giambio[progress]'"
        raise
    return shown(name, total)


final(ClusterManager, "(address=None, *, limit=None, context=None)")
