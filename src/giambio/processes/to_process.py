"""`to_process`: call a function in another process, where it has a processor of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, Unpack, overload

from giambio.kernel.operation import current_kernel
from giambio.processes.worker_pool import pool_of
from giambio.processes.worker_protocol import (
    check_not_loading_main,
    dump_request,
    load_reply,
)
from giambio.sync.limiter import CapacityLimiter
from giambio.tasks.cancel import CancelScope
from giambio.threads.call import check_limiter, loop_limiter, with_keywords

__all__ = ["current_default_process_limiter", "processors", "to_process"]

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@overload
def to_process(
    function: Callable[[*Ts], T],
    /,
    *args: Unpack[Ts],
    limiter: CapacityLimiter | None = None,
    cancellable: bool = True,
) -> Coroutine[Any, Any, T]: ...
@overload
def to_process(
    function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs
) -> Coroutine[Any, Any, T]: ...
def to_process(  # type: ignore[misc]  # for P could have these keywords too
    function: Callable[..., Any],
    /,
    *args: Any,
    limiter: CapacityLimiter | None = None,
    cancellable: bool = True,
    **keywords: Any,
) -> Coroutine[Any, Any, Any]:
    """Call a function in another process, and wait for its result.

    For computations, which disturb neither this loop nor other calls there. Function,
    arguments and result travel pickled, so the function must be found by its name in a
    module.

    Parameters:
        function: an ordinary function.
        args, keywords: its arguments.
        limiter: a call takes one of its tokens while it runs, and waits if there is
            none; by default `current_default_process_limiter`.
        cancellable: True kills the process if the call is cancelled, wherever it is.
            False waits for the function, whose result is kept.

    Returns:
        Awaited: the function's result.

    Raises:
        TypeError: at the call, `function` cannot be called, or it and its arguments cannot
            be pickled; awaited, the result cannot be pickled, or
            the function is async.
        BaseException: awaited, the function's exception; its cause shows the traceback in
            the other process.
        BrokenWorkerProcess: awaited, the process ended in the middle of it.
        OSError: awaited, no process can be started.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. The processes are fresh interpreters that are kept for further calls; they
    end with the loop. Nothing is shared with them: neither globals nor context variables.

    The main module of your program is imported there once, if a function or a class of it
    is needed, under the name ``__mp_main__``, as multiprocessing does. So what is to run
    only once must be guarded: ``if __name__ == "__main__": giambio.run(main)``.

    Example:
        >>> import giambio, math
        >>> giambio.run(giambio.to_process, math.factorial, 20)
        2432902008176640000
    """
    function = with_keywords("to_process", function, keywords)
    check_limiter("to_process", limiter)
    check_not_loading_main("to_process()")
    return call(dump_request("to_process()", function, args), limiter, cancellable)


async def call(request: bytes, limiter: CapacityLimiter | None, cancellable: bool) -> Any:
    """See `to_process`."""
    kernel = current_kernel()
    if limiter is None:
        limiter = current_default_process_limiter()
    borrower = object()
    await limiter.acquire_on_behalf_of(borrower)
    try:
        pool = pool_of(kernel)
        process = pool.take()
        try:
            with CancelScope(shield=not cancellable):
                reply = await process.exchange(request)
        except BaseException as exc:
            pool.drop(process)
            if isinstance(exc, GeneratorExit):  # the coroutine is closed, and cannot wait
                process.end_now()
            else:
                await process.end()
            raise
        pool.put_back(process)
    finally:
        limiter.release_on_behalf_of(borrower)
    return load_reply(reply)


# The warning about a forgotten await names it.
call.__name__ = call.__qualname__ = "to_process"


def current_default_process_limiter() -> CapacityLimiter:
    """How many processes `to_process` may use at once in this loop: one for each processor.

    Returns:
        The loop's own limiter; ``total_tokens`` can be set.

    Raises:
        RuntimeError: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     giambio.current_default_process_limiter().total_tokens = 2
        ...     return giambio.current_default_process_limiter().total_tokens
        >>> giambio.run(main)
        2
    """
    return loop_limiter("process limiter", processors)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
