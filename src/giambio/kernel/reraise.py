"""Raising an exception that is not ours, without a trace of us.

When a block is left because of one exception and ends with another one (a task
failed, so the body was cancelled), Python would note the first as the context
of the second, and every Python frame between the two would show. Neither helps
the user: the failure of a task has nothing to do with where the body stood.

Python adds the context and the frame when a *frame* raises. So the awaitable
made here is a `map` object that calls the `throw` of a finished generator: both
are C code, which only passes the exception on.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

from giambio.kernel.step import PARK

__all__ = ["Failure", "Unchained", "unchained"]


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
    """An awaitable around an operation: what it fails with is raised as it is.

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
    """The same around an operation that is being awaited."""
    return map(operator.call, Calls(awaited))


class Calls:
    """The iterator of what `map` is to call, all of it C code."""

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
