"""The exceptions of giambio, in one module because every package raises them.

All are `GiambioError`s but one: `CancelledError` is a `BaseException`, so that
``except Exception`` in user code cannot swallow a cancellation by accident.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BrokenResourceError",
    "BrokenWorkerInterpreter",
    "BrokenWorkerProcess",
    "BusyResourceError",
    "CancelledError",
    "ClosedResourceError",
    "DeadlockError",
    "DelimiterNotFound",
    "EndOfStream",
    "GiambioError",
    "IncompleteRead",
    "RemoteError",
    "RestartLimitExceeded",
    "RunFinishedError",
    "TaskCancelled",
    "TaskNotFinished",
    "WorkerLost",
    "WouldBlock",
    "is_cancellation",
    "throwable",
    "without_cancellations",
]

#: The attribute of groups in which no cancellation was found.
FAILURES_ONLY = "_giambio_failures_only"


class CancelledError(BaseException):
    """Raised at each checkpoint inside a cancelled scope; do not swallow it.

    Clean up in ``finally`` and let it pass: the cancelled scope catches it.
    ``reason`` is the argument of ``cancel(reason)``, or ``None``.

    Example:
        >>> str(CancelledError("shutting down"))
        'cancelled: shutting down'
    """

    def __init__(self, reason: object = None) -> None:
        self.reason = reason
        super().__init__("cancelled" if reason is None else f"cancelled: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason,)


#: What counts as a cancellation, and the class that scopes raise. They are replaced when asyncio is
#: imported: its own class counts too then, and a class that is both is raised.
cancellations: tuple[type[BaseException], ...] = (CancelledError,)
raised_cancellation: type[CancelledError] = CancelledError


class GiambioError(Exception):
    """Base class of giambio's exceptions, except `CancelledError`.

    Example:
        >>> issubclass(ClosedResourceError, GiambioError)
        True
    """


class TaskCancelled(GiambioError):
    """Raised by joining a task that was cancelled.

    It is an ordinary exception and not a `CancelledError`, which would look as
    if the joining task had been cancelled itself.

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
    """Raised when a loop or a task manager is used after its end.

    Example:
        >>> issubclass(RunFinishedError, RuntimeError)
        True
    """


class RemoteError(GiambioError):
    """Raised by a call of a `ClusterManager` whose failure or result cannot be read here.

    For instance because the class of an exception exists on the worker only. The message is the
    exception's there, and its traceback is a note.

    Example:
        >>> issubclass(RemoteError, GiambioError)
        True
    """


class RestartLimitExceeded(GiambioError):
    """Raised by a `Supervisor` whose functions have begun anew too often.

    Its ``__cause__`` is the last error, or None if the function had returned.

    Example:
        >>> issubclass(RestartLimitExceeded, GiambioError)
        True
    """


class WorkerLost(GiambioError):
    """Raised by a call of a `ClusterManager` whose worker is gone, and which may not begin again.

    Whether the function has come to its end there is not known.

    Example:
        >>> issubclass(WorkerLost, GiambioError)
        True
    """


class WouldBlock(GiambioError):
    """Raised by a non-blocking operation that would have to wait.

    Example:
        >>> issubclass(WouldBlock, GiambioError)
        True
    """


class DeadlockError(GiambioError):
    """Raised in the main task when every task waits for another one.

    Its message shows the task tree: for each task its place in the user's code, and
    the object that it waits for.

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
    """Raised when a worker process of `to_process` ends while it runs a function.

    And by `run_workers`, when one ends before it is ready.

    ``returncode`` is its exit code, or minus the number of the signal that killed it; None
    if another part of the program has reaped it.

    Example:
        >>> BrokenWorkerProcess("worker process 7 was killed by SIGSEGV", -11).returncode
        -11
    """

    def __init__(self, message: str, returncode: int | None) -> None:
        self.returncode = returncode
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.returncode)


class BrokenWorkerInterpreter(GiambioError):
    """Raised when an interpreter for `to_interpreter` cannot be made or used.

    Example:
        >>> issubclass(BrokenWorkerInterpreter, GiambioError)
        True
    """


class ClosedResourceError(GiambioError):
    """Raised when a resource is used after this side has closed it.

    Example:
        >>> issubclass(ClosedResourceError, GiambioError)
        True
    """


class EndOfStream(GiambioError, EOFError):
    """Raised when a stream has ended, by operations that cannot return an empty value.

    Example:
        >>> issubclass(EndOfStream, EOFError)
        True
    """


class IncompleteRead(EndOfStream):
    """Raised when a stream ends before all requested bytes have arrived.

    ``partial`` holds the bytes that did. They also stay in the buffer, so that
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
    """Raised when no delimiter is found within the maximum size.

    Nothing is lost: the bytes stay in the buffer.

    Example:
        >>> issubclass(DelimiterNotFound, GiambioError)
        True
    """


class BrokenResourceError(GiambioError, ConnectionError):
    """Raised when the other side has broken the connection.

    It is a `ConnectionError` too; its ``__cause__`` is the `OSError` of the operating
    system, if there was one.

    Example:
        >>> issubclass(BrokenResourceError, ConnectionError)
        True
    """


def is_cancellation(exc: BaseException) -> bool:
    """Whether an exception is a cancellation: the only test for it.

    Parameters:
        exc: the exception to test.

    Returns:
        True for `CancelledError`, and for a group made of nothing else.

    Example:
        >>> is_cancellation(CancelledError()), is_cancellation(KeyError())
        (True, False)
    """
    if not isinstance(exc, BaseExceptionGroup):
        return isinstance(exc, cancellations)
    inside: list[BaseException] = [exc]
    for inner in inside:  # no recursion, see `has_cancellation`
        if hasattr(inner, FAILURES_ONLY):
            return False
        if isinstance(inner, BaseExceptionGroup):
            inside.extend(inner.exceptions)
        elif not isinstance(inner, cancellations):
            return False
    return True


def without_cancellations(exc: BaseException) -> BaseException | None:
    """Return an exception without the cancellations in it.

    Parameters:
        exc: any exception, also a group.

    Returns:
        The exception itself if there is no cancellation in it, a smaller group if
        there are some, None if there is nothing else.

    Example:
        >>> without_cancellations(CancelledError()) is None
        True
    """
    if isinstance(exc, BaseExceptionGroup) and has_cancellation(exc):
        rest: BaseException | None = exc.split(cancellations)[1]
        return rest
    return None if isinstance(exc, cancellations) else exc


def has_cancellation(group: BaseExceptionGroup[BaseException]) -> bool:
    """Whether there is a cancellation in a group, at any depth.

    A group cannot change, so one without any is marked. Nested blocks make nested groups, and
    each block asks about its own: without the mark it would look into those inside once more.
    """
    inside: list[BaseException] = [group]
    for inner in inside:  # no recursion: groups may be nested deeper than Python's limit
        if isinstance(inner, cancellations):
            return True
        if isinstance(inner, BaseExceptionGroup) and not hasattr(inner, FAILURES_ONLY):
            inside.extend(inner.exceptions)
    setattr(group, FAILURES_ONLY, True)
    return False


def throwable(exc: BaseException) -> BaseException:
    """Return an exception that can be raised at an await, where `StopIteration` means a result.

    Parameters:
        exc: the exception to raise.

    Returns:
        The exception itself; for a `StopIteration`, a `RuntimeError` that it is the cause of.

    Example:
        >>> throwable(StopIteration())
        RuntimeError('StopIteration() was raised, which means something else to an await')
    """
    if not isinstance(exc, StopIteration):
        return exc
    error = RuntimeError(f"{exc!r} was raised, which means something else to an await")
    error.__cause__ = exc
    return error
