"""AnyIO's errors for giambio's: a program that uses AnyIO catches those of AnyIO.

The error of the operating system, where there was one, is the cause of both.
"""

from __future__ import annotations

import anyio
from giambio import errors

__all__ = ["anyio_error"]


def anyio_error(exc: BaseException, action: str) -> BaseException:
    """What AnyIO's contract says instead of an error.

    Parameters:
        exc: the error, of giambio or of the system.
        action: what was done, for the message that another task does it: ``"reading from"``.

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
