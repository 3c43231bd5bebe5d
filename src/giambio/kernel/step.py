"""One step of a task: the Python twin of `step.pyx`.

A step enters the task's context, resumes its coroutine, and notes the value or
exception that it yielded, returned or raised in `task._outcome`. Natively it is `PyIter_Send`,
which returns a result without raising `StopIteration`. An operation can stand in a
coroutine's place: it has no frame, so an exception that is thrown into it leaves it at once.
"""

from __future__ import annotations

from typing import Any, Final

from giambio.errors import throwable
from giambio.kernel import constants
from giambio.kernel.run_queue import Park

__all__ = ["PARK", "step"]


class _Sentinel:
    __slots__ = ()

    def __repr__(self) -> str:
        return "<giambio: the task parks>"


#: What an awaitable of giambio yields to the kernel, and nothing else does.
PARK: Final = _Sentinel()


def step(task: Any) -> int:
    """Resume a task until it parks or ends.

    Returns:
        PARKED, FOREIGN (it yielded something else), RETURNED or RAISED; the
        object, value or exception is in ``task._outcome``.
    """
    thrown = task._thrown
    coro = task._coro
    alone = isinstance(coro, Park)
    try:
        if thrown is None:
            yielded = task._context.run(next, coro) if alone else task._context.run(coro.send, None)
        else:
            task._thrown = None
            if alone:
                task._outcome = throwable(thrown)
                return constants.RAISED
            yielded = task._context.run(coro.throw, throwable(thrown))
    except StopIteration as stop:
        task._outcome = stop.value  # perhaps an exception, whose frame holds this one as below
        del task, coro
        return constants.RETURNED
    except BaseException as exc:
        if not alone and coro.cr_frame is not None and goes_on(exc):
            raise
        # The first entry of the traceback is this very frame.
        traceback = exc.__traceback__
        task._outcome = exc.with_traceback(None if traceback is None else traceback.tb_next)
        # A failed frame holds this one, by the traceback and (from 3.12 on) by `f_back`.
        del traceback, task, coro
        return constants.RAISED
    finally:
        del thrown
    if yielded is PARK:
        return constants.PARKED
    task._outcome = yielded
    return constants.FOREIGN


def goes_on(exc: BaseException) -> bool:
    """Return whether a coroutine that has not ended goes on, because an exception is not its own.

    A signal handler has raised it around the step. It is not the task's, then, and stops the loop,
    which closes the coroutine. (A context that cannot be entered fails its task.)
    """
    traceback = exc.__traceback__
    return type(exc) is not RuntimeError or traceback is None or traceback.tb_next is not None
