"""`WorkerThread`: one thread of one's own, in which functions run one after another.

Some things belong to the thread that has made them: a connection of `sqlite3`, a COM object, the
state of many a C library. `to_thread` uses any thread that is free; this is always the same one.
"""

from __future__ import annotations

import typing
import warnings
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, TypeVarTuple, Unpack, overload

from giambio._build.sealed import final
from giambio.errors import ClosedResourceError
from giambio.kernel.blocks import refuse_with
from giambio.kernel.checkpoints import cancel_shielded_checkpoint
from giambio.sync.limiter import CapacityLimiter
from giambio.threads.call import ThreadCall, with_keywords
from giambio.threads.executor import submit_to

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["WorkerThread"]

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@typing.final  # for type checkers
@final
class WorkerThread:
    """A thread of its own: ``async with WorkerThread() as thread: await thread.run(...)``

    Functions run in it one after another, in the order of the calls. It is started by the first
    one, and ends when the block is left: at once, or after a function that was abandoned in it.
    Dropped without having been closed it ends too, with a `ResourceWarning`. The exit of the
    interpreter waits for a function that still runs, as for those of `concurrent.futures`.

    Raises:
        RuntimeError: on entering: it was entered or closed before.

    Entering is not a checkpoint; leaving yields control once, and is not cancelled.

    Example:
        >>> import giambio, sqlite3
        >>> async def main():
        ...     async with giambio.WorkerThread() as thread:
        ...         db = await thread.run(sqlite3.connect, ":memory:")
        ...         rows = await thread.run(db.execute, "select 1 + 1")
        ...         row = await thread.run(rows.fetchone)
        ...         await thread.run(db.close)
        ...     return row
        >>> giambio.run(main)
        (2,)
    """

    __slots__ = ("_entered", "_executor", "_open", "_turn")

    #: What it is called in messages, see `blocks`.
    _a_label = "a WorkerThread"

    def __init__(self) -> None:
        self._open = True
        self._entered = False
        self._executor: ThreadPoolExecutor | None = None
        # Who holds its token has the thread.
        self._turn = CapacityLimiter(1)

    @overload
    def run(
        self, function: Callable[[*Ts], T], /, *args: Unpack[Ts], abandon_on_cancel: bool = False
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def run(
        self, function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    def run(  # type: ignore[misc]  # for P could have this keyword too
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        abandon_on_cancel: bool = False,
        **keywords: Any,
    ) -> Coroutine[Any, Any, Any]:
        """Call a function in the thread, and wait for its result.

        Parameters:
            function: an ordinary function. It runs in a copy of the caller's context.
            args, keywords: its arguments.
            abandon_on_cancel: see `to_thread`. Other calls wait until the thread is done
                with a function that was abandoned.

        Returns:
            Awaited: the result of the function.

        Raises:
            TypeError: `function` cannot be called or is async.
            ClosedResourceError: this was closed.
            BaseException: awaited, the function raised it.
            RuntimeError: awaited, the system refuses to start a thread.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled before the function began, it is not called.

        Example:
            >>> import giambio, threading
            >>> async def main():
            ...     async with giambio.WorkerThread() as thread:
            ...         first = await thread.run(threading.get_ident)
            ...         return first == await thread.run(threading.get_ident)
            >>> giambio.run(main)
            True
        """
        if not self._open:
            raise ClosedResourceError("this WorkerThread is closed, so nothing can be run in it")
        function = with_keywords("WorkerThread.run", function, keywords)
        hand_in = submit_to("WorkerThread", self._pool())
        context = copy_context()
        call: Any = ThreadCall(
            "WorkerThread.run()", hand_in, function, args, context, self._turn, abandon_on_cancel
        )
        return call  # type: ignore[no-any-return]

    def _pool(self) -> ThreadPoolExecutor:
        """Return the pool of one thread; it starts that when it gets something to do."""
        if self._executor is None:
            from concurrent.futures import ThreadPoolExecutor  # it costs, and few ask

            self._executor = ThreadPoolExecutor(1, "giambio.WorkerThread")
        return self._executor

    def close(self) -> None:
        """End the thread, after the function that runs in it, if there is one; idempotent.

        Not a checkpoint. Calls that wait for their turn get a `RuntimeError`.

        Example:
            >>> import giambio
            >>> giambio.WorkerThread().close()
        """
        self._open = False
        if self._executor is not None:
            # With nothing to run the thread ends at once, and is waited for.
            self._executor.shutdown(wait=not self._turn.borrowed_tokens)

    async def __aenter__(self) -> Self:
        if self._entered or not self._open:
            raise RuntimeError("this WorkerThread was used already; make a new one for each block")
        self._entered = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        await cancel_shielded_checkpoint()

    __enter__ = __exit__ = refuse_with

    def __del__(self) -> None:
        if getattr(self, "_open", False) and self._executor is not None:
            self._executor.shutdown(wait=False)
            warnings.warn(
                "a WorkerThread was never closed; use `async with giambio.WorkerThread()`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def __repr__(self) -> str:
        if not self._open:
            return "<giambio.WorkerThread closed>"
        state = "running" if self._turn.borrowed_tokens else "idle"
        return f"<giambio.WorkerThread {state}>"
