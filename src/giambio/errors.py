"""The errors of giambio, in one place, because every room raises them.

All are `GiambioError`s but one: `CancelledError` is a `BaseException`, so that
``except Exception`` in user code cannot swallow a cancellation by accident.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BrokenResourceError",
    "BrokenWorkerProcess",
    "BusyResourceError",
    "CancelledError",
    "ClosedResourceError",
    "DeadlockError",
    "DelimiterNotFound",
    "EndOfStream",
    "GiambioError",
    "IncompleteRead",
    "RunFinishedError",
    "TaskCancelled",
    "TaskNotFinished",
    "WouldBlock",
    "is_cancellation",
    "throwable",
    "without_cancellations",
]


class CancelledError(BaseException):
    """Raised at a checkpoint inside a cancelled scope; let it pass.

    Clean up in ``finally`` and let it go on: the scope that was cancelled
    catches it. ``reason`` is what was given to ``cancel(reason)``, or ``None``.

    Example:
        >>> str(CancelledError("shutting down"))
        'cancelled: shutting down'
    """

    def __init__(self, reason: object = None) -> None:
        self.reason = reason
        super().__init__("cancelled" if reason is None else f"cancelled: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason,)


class GiambioError(Exception):
    """The base of giambio's ordinary errors.

    Example:
        >>> issubclass(ClosedResourceError, GiambioError)
        True
    """


class TaskCancelled(GiambioError):
    """Raised by joining a task that was cancelled.

    It is an ordinary exception and not `CancelledError`, which would look as
    if the task that joins had been cancelled itself.

    Example:
        >>> issubclass(TaskCancelled, CancelledError)
        False
    """


class TaskNotFinished(GiambioError):
    """Raised by `Task.result()` and `Task.exception()` before the task has ended.

    Example:
        >>> issubclass(TaskNotFinished, GiambioError)
        True
    """


class RunFinishedError(GiambioError, RuntimeError):
    """Raised when something is handed to a loop or a manager that has ended.

    Example:
        >>> issubclass(RunFinishedError, RuntimeError)
        True
    """


class WouldBlock(GiambioError):
    """Raised by an operation that may not wait, when it would have to.

    Example:
        >>> issubclass(WouldBlock, GiambioError)
        True
    """


class DeadlockError(GiambioError):
    """Raised into the main task when every task waits for another one.

    Its message shows the tree of tasks: where each one stands in the user's code,
    and what it waits for.

    Example:
        >>> issubclass(DeadlockError, GiambioError)
        True
    """


class BusyResourceError(GiambioError):
    """Raised when two tasks use the same end of a resource at once.

    Example:
        >>> issubclass(BusyResourceError, GiambioError)
        True
    """


class BrokenWorkerProcess(GiambioError):
    """Raised when the process that `to_process` calls a function in ends in the middle of it.

    ``returncode`` is its exit code; minus the number of the signal that killed it; None if
    somebody else has taken it.

    Example:
        >>> BrokenWorkerProcess("worker process 7 was killed by SIGSEGV", -11).returncode
        -11
    """

    def __init__(self, message: str, returncode: int | None) -> None:
        self.returncode = returncode
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.returncode)


class ClosedResourceError(GiambioError):
    """Raised when a resource is used that this side has closed.

    Example:
        >>> issubclass(ClosedResourceError, GiambioError)
        True
    """


class EndOfStream(GiambioError, EOFError):
    """Raised when there is nothing more to come, where a value says nothing about that.

    Example:
        >>> issubclass(EndOfStream, EOFError)
        True
    """


class IncompleteRead(EndOfStream):
    """Raised when a stream has ended in the middle of what was to be received.

    ``partial`` holds the bytes that came. They also stay where they are, so that
    ``receive()`` still returns them.

    Example:
        >>> IncompleteRead("the stream has ended early", b"hel").partial
        b'hel'
    """

    def __init__(self, message: str, partial: bytes) -> None:
        self.partial = partial
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.partial)


class DelimiterNotFound(GiambioError):
    """Raised when a delimiter has not come within the size that was allowed.

    Nothing is lost: the bytes stay where they are.

    Example:
        >>> issubclass(DelimiterNotFound, GiambioError)
        True
    """


class BrokenResourceError(GiambioError, ConnectionError):
    """Raised when the other side broke the connection.

    It is a `ConnectionError` too, and its ``__cause__`` is the `OSError` that
    the operating system reported, where there was one.

    Example:
        >>> issubclass(BrokenResourceError, ConnectionError)
        True
    """


def is_cancellation(exc: BaseException) -> bool:
    """Tell whether an exception is a cancellation: the one predicate for it.

    Parameters:
        exc: the exception to judge.

    Returns:
        True for `CancelledError`, and for a group made of nothing else.

    Example:
        >>> is_cancellation(CancelledError()), is_cancellation(KeyError())
        (True, False)
    """
    if not isinstance(exc, BaseExceptionGroup):
        return isinstance(exc, CancelledError)
    inside = list(exc.exceptions)  # no recursion: groups may be nested deeper than Python goes
    for inner in inside:
        if isinstance(inner, BaseExceptionGroup):
            inside.extend(inner.exceptions)
        elif not isinstance(inner, CancelledError):
            return False
    return True


def without_cancellations(exc: BaseException) -> BaseException | None:
    """What is left of an exception when cancellations are taken out of it.

    Parameters:
        exc: any exception, also a group.

    Returns:
        The exception itself if it holds no cancellation, a smaller group if
        it holds some, None if it holds nothing else.

    Example:
        >>> without_cancellations(CancelledError()) is None
        True
    """
    if isinstance(exc, BaseExceptionGroup):
        rest: BaseException | None = exc.split(CancelledError)[1]
        return rest
    return None if isinstance(exc, CancelledError) else exc


def throwable(exc: BaseException) -> BaseException:
    """What can be raised at an await: there Python takes a `StopIteration` for the result.

    Parameters:
        exc: the exception that is to be raised.

    Returns:
        The exception itself; a `RuntimeError` with it as the cause, if it is a `StopIteration`.

    Example:
        >>> throwable(StopIteration())
        RuntimeError('StopIteration() was raised, which means something else to an await')
    """
    if not isinstance(exc, StopIteration):
        return exc
    error = RuntimeError(f"{exc!r} was raised, which means something else to an await")
    error.__cause__ = exc
    return error
