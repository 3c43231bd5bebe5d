"""Checks of arguments, in one voice: a mistake is an error at the call that makes it.

Every package checks numbers that users pass. The messages name the call, the parameter and
the value. Where a whole number is needed, `bool` is none; as a time it is the number that it
equals, because time may be any type that `float` takes.
"""

from __future__ import annotations

import signal
import sys
from functools import partial
from math import inf, isnan
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike, ReadableBuffer
else:  # that module is not there at run time, and yet signatures can be evaluated
    FileDescriptorLike = int | Any  # an object with `fileno()`
    ReadableBuffer = bytes | bytearray | memoryview

__all__ = [
    "FileDescriptorLike",
    "ReadableBuffer",
    "check_int",
    "check_number",
    "check_positive",
    "check_seconds",
    "check_signal",
    "could_take",
    "is_int",
]

#: The types of nearly all numbers. Of others not even their comparison can be trusted.
PLAIN = (float, int)
LARGEST = sys.float_info.max
#: The signals whose handler the system does not let a program choose.
UNCATCHABLE = [getattr(signal, name, None) for name in ("SIGKILL", "SIGSTOP")]


def is_int(value: object) -> TypeGuard[int]:
    """Return whether a value is an `int` and not a `bool`."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_int(what: str, name: str, value: int, least: int, number: str = "number") -> int:
    """Raise unless a value is an `int` of at least `least`.

    Parameters:
        what: the call, for messages: ``"Semaphore()"``.
        name: the parameter.
        value: the number.
        least: the smallest number that makes sense.
        number: says what it counts, if the name does not: ``"number of items"``.

    Returns:
        The number, as a plain `int`.

    Raises:
        TypeError: it is not an `int`.
        ValueError: it is less than `least`, or larger than any number of things.
    """
    if not is_int(value):
        raise TypeError(f"{what} needs a whole {number} for {name}, not {value!r}")
    if value < least:
        raise ValueError(f"{what} needs a {number} from {least} up for {name}, not {value!r}")
    if value > sys.maxsize:
        raise ValueError(f"{what} needs a {number} up to {sys.maxsize} for {name}")
    return int(value)


def check_number(what: str, name: str, value: float) -> None:
    """Raise unless a value is a number, such as one of seconds.

    Parameters:
        what: the call, for messages: ``"sleep()"``.
        name: the parameter.
        value: the number.

    Raises:
        TypeError: it is not a number.
        ValueError: it is NaN, or too large for a float.
    """
    try:
        wrong = isnan(value) or value < -inf  # what can be converted may not be comparable
    except TypeError:
        raise TypeError(f"{what} needs a number for {name}, not {value!r}") from None
    except OverflowError:
        raise ValueError(
            f"{what} needs a number for {name} that a float can hold; for ever is math.inf"
        ) from None
    if wrong:
        raise ValueError(f"{what} needs a number for {name}, not NaN")


def check_positive(what: str, name: str, value: float) -> None:
    """Raise unless a value is a number above 0, and not infinity.

    Parameters:
        what: the call, for messages: ``"RateLimiter()"``.
        name: the parameter.
        value: the number.

    Raises:
        TypeError: it is not a number.
        ValueError: it is 0, negative, infinity or NaN, or too large for a float.
    """
    check_number(what, name, value)
    if not 0 < value < inf:
        needed = "number of seconds above 0" if name == "seconds" else f"number above 0 for {name}"
        raise ValueError(f"{what} needs a {needed}, not {value!r}")


def check_seconds(what: str, name: str, seconds: float) -> None:
    """Raise unless a value is a number of seconds from 0 up; it may be infinity.

    Parameters:
        what: the call, for messages: ``"sleep()"``.
        name: the parameter.
        seconds: the number.

    Raises:
        TypeError: it is not a number.
        ValueError: it is negative or NaN, or too large for a float.
    """
    if type(seconds) in PLAIN and 0 <= seconds <= LARGEST:
        return  # the usual case, for which another call would cost as much again
    check_number(what, name, seconds)
    if seconds < 0:
        parameter = "" if name == "seconds" else f" for {name}"
        raise ValueError(f"{what} needs a number of seconds from 0 up{parameter}, not {seconds!r}")


def check_signal(what: str, number: int) -> int:
    """Raise unless a value is a signal that a program can handle.

    Parameters:
        what: the call, for messages: ``"open_signal_receiver()"``.
        number: the signal.

    Returns:
        Its number, as a plain `int`.

    Raises:
        TypeError: it is not a number.
        ValueError: there is no such signal here, or nobody can handle it.
    """
    if not is_int(number):
        raise TypeError(f"{what} needs signals such as signal.SIGTERM, not {number!r}")
    if number not in signal.valid_signals():
        raise ValueError(f"{what}: this system has no signal {number!r}")
    if number in UNCATCHABLE:
        raise ValueError(f"{what}: no program can catch {signal.Signals(number).name}")
    return int(number)


def could_take(function: object, args: tuple[object, ...], keyword: str) -> bool:
    """Return whether a call with these arguments may have a keyword, too.

    That is as far as the signature tells. What a `functools.partial` has set is not for the call.
    """
    from inspect import signature  # it costs, and few calls ask

    if not callable(function) or (isinstance(function, partial) and keyword in function.keywords):
        return False
    try:
        called = signature(function)
        taken = called.bind_partial(*args).arguments
    except (TypeError, ValueError):  # not every function written in C has one; nor fits each call
        return False
    parameters = called.parameters
    parameter = parameters.get(keyword)
    if parameter is not None and parameter.kind is not parameter.POSITIONAL_ONLY:
        return parameter.kind is not parameter.VAR_POSITIONAL and keyword not in taken
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
