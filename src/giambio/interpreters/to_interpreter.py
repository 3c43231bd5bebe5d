"""`to_interpreter`: call a function in another interpreter, which has a GIL of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, Unpack, overload

from giambio.interpreters.worker_interpreter import call, check_python, submit
from giambio.processes.to_process import processors
from giambio.processes.worker_protocol import check_not_loading_main, dump_request
from giambio.sync.limiter import CapacityLimiter
from giambio.threads.call import ThreadCall, check_limiter, loop_limiter, with_keywords

__all__ = ["current_default_interpreter_limiter", "to_interpreter"]

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@overload
def to_interpreter(
    function: Callable[[*Ts], T],
    /,
    *args: Unpack[Ts],
    limiter: CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> Coroutine[Any, Any, T]: ...
@overload
def to_interpreter(
    function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs
) -> Coroutine[Any, Any, T]: ...
def to_interpreter(  # type: ignore[misc]  # for P could have these keywords too
    function: Callable[..., Any],
    /,
    *args: Any,
    limiter: CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
    **keywords: Any,
) -> Coroutine[Any, Any, Any]:
    """Call a function in another interpreter of this process, and wait for its result.

    For computations, as `to_process`: an interpreter has a GIL of its own, and so a
    processor. It starts sooner than a process, but shares its fate, and cannot be killed.
    Function, arguments and result travel pickled, so the function must be found by its name
    in a module.

    Parameters:
        function: an ordinary function.
        args, keywords: its arguments.
        limiter: the call takes one of its tokens, and waits if there is none; by default
            `current_default_interpreter_limiter`.
        abandon_on_cancel: the effect of a cancellation, because nobody can stop the
            function. False waits for it, and its result is kept. True leaves it to itself
            and drops the outcome, an error too.

    Returns:
        Awaited: the function's result.

    Raises:
        NotImplementedError: this Python is older than 3.13.
        TypeError: at the call, `function` cannot be called, or it and its arguments cannot
            be pickled; awaited, the result cannot be pickled, or
            the function is async.
        BaseException: awaited, the function's exception; its cause shows the traceback in
            the other interpreter.
        BrokenWorkerInterpreter: awaited, the interpreter cannot be made or used.
        RuntimeError: awaited, the system refuses to start a thread.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled before the function began, it is not called. Cancelled later, see
    `abandon_on_cancel`; the token is given back when the function is done.

    Each interpreter has a thread, is kept for further calls, and ends when none has come for
    half a minute, or at exit. Nothing is shared with it: neither globals nor context
    variables. Extension modules that are not made for several interpreters cannot be
    imported there (``ImportError``); of giambio it runs the pure build. Do not fork while
    one computes: the child would crash. (Those that are idle end before a fork.)

    The main module of your program is imported there once, if a function or a class of it
    is needed, under the name ``__mp_main__``, as multiprocessing does. So what is to run
    only once must be guarded: ``if __name__ == "__main__": giambio.run(main)``.

    Example:
        >>> import giambio, math
        >>> giambio.run(giambio.to_interpreter, math.factorial, 20)  # doctest: +SKIP
        2432902008176640000
    """
    function = with_keywords("to_interpreter", function, keywords)
    check_limiter("to_interpreter", limiter)
    check_python()
    check_not_loading_main("to_interpreter()")
    return ThreadCall(
        "to_interpreter()",
        submit,
        call,
        (dump_request("to_interpreter()", function, args),),
        copy_context(),
        limiter or current_default_interpreter_limiter,
        abandon_on_cancel,
    )


def current_default_interpreter_limiter() -> CapacityLimiter:
    """How many interpreters `to_interpreter` may use at once in this loop: one for each processor.

    Returns:
        The loop's own limiter; ``total_tokens`` can be set.

    Raises:
        RuntimeError: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     giambio.current_default_interpreter_limiter().total_tokens = 2
        ...     return giambio.current_default_interpreter_limiter().total_tokens
        >>> giambio.run(main)
        2
    """
    return loop_limiter("interpreter limiter", processors)
