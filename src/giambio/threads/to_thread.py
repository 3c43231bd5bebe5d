"""`to_thread`: call a blocking function in a thread, so that the loop goes on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, TypeVarTuple, Unpack, overload

from giambio.sync.limiter import CapacityLimiter
from giambio.threads.call import ThreadCall, check_limiter, loop_limiter, with_keywords
from giambio.threads.executor import submit_to
from giambio.threads.workers import submit

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["current_default_thread_limiter", "to_thread"]

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: How many threads `to_thread` uses at once by default. Many, because they mostly wait: for a
#: disk, a database, another machine.
DEFAULT_THREADS = 40


@overload
def to_thread(
    function: Callable[[*Ts], T],
    /,
    *args: Unpack[Ts],
    limiter: CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
    executor: Executor | None = None,
) -> Coroutine[Any, Any, T]: ...
@overload
def to_thread(
    function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs
) -> Coroutine[Any, Any, T]: ...
def to_thread(  # type: ignore[misc]  # for P could have these keywords too
    function: Callable[..., Any],
    /,
    *args: Any,
    limiter: CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
    executor: Any = None,  # the class is imported only when it is needed
    **keywords: Any,
) -> Coroutine[Any, Any, Any]:
    """Call a blocking function in a thread, and wait for its result.

    Parameters:
        function: an ordinary function. It runs in a copy of the caller's context.
        args, keywords: its arguments.
        limiter: the call takes one of its tokens, and waits if there is none;
            by default `current_default_thread_limiter`.
        abandon_on_cancel: the effect of a cancellation, because nobody can stop a
            thread. False waits for the function, whose result is kept; it may
            look with `from_thread.check_cancelled`. True leaves the thread to itself
            and drops the outcome, an error too.
        executor: a pool of threads of your own, such as a
            `concurrent.futures.ThreadPoolExecutor`; by default giambio has its threads.
            It bounds itself, so a call takes a token of `limiter` only if one is given.

    Returns:
        Awaited: the result of the function.

    Raises:
        TypeError: `function` cannot be called or is async.
        BaseException: awaited, the function raised it.
        RuntimeError: awaited, the system refuses to start a thread, or the executor was
            shut down.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled before the function began, it is not called. Cancelled
    later, see `abandon_on_cancel`; the token is given back when the thread is done.

    Example:
        >>> import giambio, time
        >>> async def main():
        ...     await giambio.to_thread(time.sleep, 0.01)
        ...     return await giambio.to_thread(sum, [1, 2, 3])
        >>> giambio.run(main)
        6
    """
    function = with_keywords("to_thread", function, keywords)
    check_limiter("to_thread", limiter)
    bound: Any = limiter or current_default_thread_limiter
    hand_in: Callable[[ThreadCall], object] = submit
    if executor is not None:
        bound = limiter
        hand_in = submit_to("to_thread", executor)
    return ThreadCall(
        "to_thread()", hand_in, function, args, copy_context(), bound, abandon_on_cancel
    )


def current_default_thread_limiter() -> CapacityLimiter:
    """Return the limiter of the threads that `to_thread` uses in this loop; it has 40 tokens.

    Returns:
        The loop's own limiter; ``total_tokens`` can be set.

    Raises:
        RuntimeError: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     giambio.current_default_thread_limiter().total_tokens = 100
        ...     return giambio.current_default_thread_limiter().total_tokens
        >>> giambio.run(main)
        100
    """
    return loop_limiter("thread limiter", lambda: DEFAULT_THREADS)
