"""Raising an exception of a task in another one, without a trace of the runtime.

Python adds to an exception when a *frame* raises it: the frame to its traceback, and the
exception that is handled there as its context. Neither helps the user, because the failure of
a task has nothing to do with the place where another one waits. So:

- An operation does not raise. `Operation.fail` gives the exception to the kernel, which throws
  it into the coroutine, so that the await of the user is the first frame. (In the pure build
  `tracebacks.user_part` removes those of the runtime.)
- A task and a block keep a failure as `Raised`, which restores its traceback and its context
  each time it is raised again.
- The await at the end of a block is `Unchained` when the body has raised. An exception that is
  thrown there would get the body's as its context, even if that is only the cancellation that
  the failure of a task has caused. So it is awaited by a `map` object which calls the `throw`
  of a finished generator: both are C code, which only passes the exception on.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

from giambio.kernel.step import PARK

__all__ = ["Failure", "Raised", "Unchained", "unchained"]


class Raised:
    """An exception as it was raised, to be raised again like that."""

    __slots__ = ("_context", "_exception", "_traceback")

    def __init__(self, exception: BaseException) -> None:
        self._exception = exception
        self._traceback = exception.__traceback__
        self._context = exception.__context__

    def restored(self) -> BaseException:
        """Return the exception, as it was."""
        self._exception.__context__ = self._context
        return self._exception.with_traceback(self._traceback)


def _finished_generator() -> Generator[None, None, None]:
    def empty() -> Generator[None, None, None]:
        yield from ()

    generator = empty()
    for _ in generator:
        pass
    return generator


_throw = _finished_generator().throw
_park = partial((PARK,).__getitem__, 0)


class Unchained:
    """An awaitable around an operation: the exception with which it fails is raised as it is.

    Parameters:
        operation: it parks as any does, and fails by returning the exception
            as its result, wrapped in `Failure`.
    """

    __slots__ = ("_operation",)

    def __init__(self, operation: Any) -> None:
        self._operation = operation

    def __await__(self) -> Iterator[Any]:
        return unchained(self._operation.__await__())


def unchained(awaited: Iterator[Any]) -> Iterator[Any]:
    """Return the same around an operation that is being awaited."""
    return map(operator.call, Calls(awaited))


class Calls:
    """The iterator of the functions that `map` calls, all of them C code."""

    __slots__ = ("_operation",)

    def __init__(self, operation: Iterator[Any]) -> None:
        self._operation = operation

    def __iter__(self) -> Calls:
        return self

    def __next__(self) -> Callable[[], Any]:
        try:
            next(self._operation)
        except StopIteration as stop:
            result = stop.value
        else:
            return _park
        if isinstance(result, Failure):
            return partial(_throw, result.exception)
        return partial(_throw, StopIteration(result))


class Failure:
    """The result of an operation that is to fail, for `Unchained`."""

    __slots__ = ("exception",)

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception
