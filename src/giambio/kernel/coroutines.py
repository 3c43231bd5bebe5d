"""The targets of `spawn` and `start`, made into coroutines that can be stepped.

A target is judged by the result of its call, never by its looks: a partial, a bound
method or a lambda may all return an awaitable.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from giambio.kernel import constants, introspect
from giambio.kernel.opening import Opening
from giambio.kernel.tracebacks import is_ours
from giambio.kernel.trap import Trap
from giambio.kernel.wrap_awaitable import wrap_awaitable

__all__ = ["discard", "to_coroutine"]


def to_coroutine(
    what: str, target: Any, args: tuple[Any, ...], keywords: dict[str, Any] | None
) -> Coroutine[Any, Any, Any]:
    """Make a coroutine of an awaitable, or of a function and its arguments.

    Parameters:
        what: the call, for messages: ``"spawn()"``.
        target: a coroutine, any other awaitable, or a callable that returns one.
        args, keywords: the arguments for a callable.

    Raises:
        TypeError: it is none of these, or arguments came with an awaitable.
        RuntimeError: the coroutine has been started or has ended.
        BaseException: what calling `target` raised.
    """
    if introspect.makes_coroutines(target):
        # Most are spawned like this, and then there is nothing to look at: it saves the
        # six thousand instructions that Python's attributes and a failing `hasattr` take.
        return target(*args, **keywords) if keywords else target(*args)  # type: ignore[no-any-return]
    if callable(target) and not introspect.is_awaitable(target):
        awaitable = target(*args, **keywords) if keywords else target(*args)
        if not introspect.is_awaitable(awaitable):
            raise TypeError(
                f"{what} needs an async function or an awaitable, but {name_of(target)}() "
                f"returned {awaitable!r}, which cannot be awaited; "
                f"define it with `async def`"
            )
    else:
        awaitable = target
        problem = ""
        if not introspect.is_awaitable(awaitable):
            problem = f"needs an async function or an awaitable, not {awaitable!r}"
        elif args or keywords:
            problem = "got arguments beside an awaitable, which has its arguments already"
        if problem:
            raise TypeError(
                f"{what} {problem}; "
                f"write {what[:-1]}function, argument, ...) or {what[:-1]}function(argument))"
            )
    return as_coroutine(what, awaitable, target)


def as_coroutine(what: str, awaitable: Any, origin: Any) -> Coroutine[Any, Any, Any]:
    """Return the awaitable itself if it is a fresh coroutine, else one that awaits it.

    The new coroutine gets the full name of `origin`, which the user has given. An operation of
    ours that is not wrapped in a function of the user needs none: a task steps it as it is.
    That saves a third of the memory of a task that sleeps, and a fifth of its time.
    """
    if isinstance(awaitable, Trap) and stands_alone(awaitable, origin):
        return awaitable.__await__()  # type: ignore[attr-defined,no-any-return]
    if type(awaitable) is types.CoroutineType:
        if introspect.was_started(awaitable):
            ended = awaitable.cr_frame is None
            state = "has ended and cannot run again" if ended else "is already running"
            raise RuntimeError(
                f"{what}: the coroutine {name_of(awaitable)} {state}; "
                "call its function again to get a new one"
            )
        return awaitable
    if isinstance(awaitable, Opening):
        return awaitable.as_task()
    coro = wrap_awaitable(awaitable)
    named = origin if hasattr(origin, "__qualname__") else type(origin)
    module = getattr(named, "__module__", None)
    name = f"{module}.{named.__qualname__}" if module else named.__qualname__
    coro.__qualname__ = name  # type: ignore[attr-defined]
    return coro


def stands_alone(operation: Trap, origin: Any) -> bool:
    """Return whether a task can run an operation as it is, without a coroutine.

    The user must have given the operation, or the function of ours that makes it.
    """
    return operation.stands_alone() and (
        origin is operation
        or introspect.is_compiled(origin)
        or is_ours(getattr(origin, "__module__", None))
    )


def discard(target: object) -> None:
    """Close a target that will never run, so that it does not warn a second time."""
    if isinstance(target, types.CoroutineType) and not (target.cr_running or target.cr_suspended):
        if target.cr_code is wrap_awaitable.__code__ and target.cr_frame is not None:
            discard(target.cr_frame.f_locals["awaitable"])
        target.close()
    elif isinstance(target, Opening):
        with suppress(RuntimeError):  # it was awaited already
            target.take().close()
    elif isinstance(target, Trap):
        if target.state == constants.FRESH:
            target.__await__()  # type: ignore[attr-defined]  # an operation, now as if awaited
    elif is_ours(type(target).__module__) and introspect.is_awaitable(target):
        with suppress(RuntimeError):  # it was awaited already
            target.__await__()  # type: ignore[attr-defined]  # an operation, now as if awaited


def name_of(value: Any) -> str:
    """Return the name of a function or a coroutine, for messages."""
    while isinstance(value, partial):
        value = value.func
    return getattr(value, "__qualname__", None) or repr(value)
