"""The common part of this back end's objects, each of which wraps one of giambio's.

A program that uses AnyIO catches the errors of AnyIO, so those of giambio are replaced here. The
error of the operating system, where there was one, is the cause of both.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Self

import anyio
from giambio import errors

__all__ = ["Wrapper", "anyio_error", "attribute"]


class Wrapper:
    """Stands before a class of AnyIO's that asks the back end for an object when it is called."""

    __slots__ = ()

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Make the object itself."""
        return object.__new__(cls)


def attribute(path: str) -> Any:
    """Return a property that is found at a path, such as ``"_own.pid"``; it may be a method."""
    return property(attrgetter(path))


def anyio_error(exc: BaseException, action: str) -> BaseException:
    """Return the error that AnyIO's contract has in place of another one.

    Parameters:
        exc: the error, of giambio or of the system.
        action: for the message that another task does the same: ``"reading from"``.

    Returns:
        The error to raise; the same if it means the same to AnyIO.
    """
    result: BaseException
    if isinstance(exc, errors.ClosedResourceError):
        result = anyio.ClosedResourceError()
    elif isinstance(exc, errors.BusyResourceError):
        result = anyio.BusyResourceError(action)
    elif isinstance(exc, OSError):  # also giambio's BrokenResourceError, which has it as cause
        result = anyio.BrokenResourceError()
        result.__cause__ = exc.__cause__ or exc
    else:
        return exc
    result.__suppress_context__ = True
    return result
