"""The error of several attempts that all failed."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["no_attempt_left"]


def no_attempt_left(what: str, errors: Sequence[OSError]) -> OSError:
    """One error for all addresses of a host.

    One attempt that failed is that failure. Of several the error is an `OSError`
    too, so that ``except OSError`` is enough, and even a
    `ConnectionRefusedError` if all were refused; its ``__cause__`` is an
    `ExceptionGroup` of them all.

    Parameters:
        what: what was tried, for the message.
        errors: how each attempt failed, in their order; at least one.
    """
    for error in errors:
        # Only our own frames, in tasks that the user did not start.
        error.__traceback__ = error.__context__ = None
    if len(errors) == 1:
        return errors[0]
    numbers = {error.errno for error in errors}
    number = numbers.pop() if len(numbers) == 1 else None
    if number is not None:
        failure = OSError(number, f"{os.strerror(number)}: {what}, at {len(errors)} addresses")
    else:
        failure = OSError(f"{what} failed: {'; '.join(map(str, errors))}")
    failure.__cause__ = ExceptionGroup(f"{what} failed at every address", errors)
    return failure
