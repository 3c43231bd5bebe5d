"""The far side of a cluster: what runs around a function on a worker.

An async function runs in a loop of giambio's, and a cancellation cancels its scope. Into an
ordinary one an exception is injected, which Python raises between two of its instructions: it
cannot interrupt what C code waits for.
"""

from __future__ import annotations

import ctypes
import threading
import traceback
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

import cloudpickle  # type: ignore[import-untyped]

from giambio.errors import RemoteError
from giambio.kernel.introspect import makes_coroutines
from giambio.runtime.loop import current_loop, run
from giambio.tasks.cancel import CancelScope

__all__ = ["Remembered", "call", "cancel", "check_failure", "opened", "packed"]

#: How many cancelled calls are remembered, in case that they have not begun yet.
REMEMBERED = 10_000
REASON = "cancelled by the caller"

#: Values of context variables, by module and name.
Variables: TypeAlias = dict[tuple[str, str], Any]


class RemoteCancelled(BaseException):
    """Raised in an ordinary function that is cancelled."""


class Remembered:
    """The last tokens that were added, not all of them.

    Parameters:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tokens: dict[str, None] = {}

    def add(self, token: str) -> None:
        """Remember a token, and forget the oldest one if there are too many."""
        self._tokens[token] = None
        if len(self._tokens) > self._most:
            del self._tokens[next(iter(self._tokens))]

    def __contains__(self, token: str) -> bool:
        return token in self._tokens


class Calls:
    """The calls that run in this process, and how each is cancelled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Callable[[], object]] = {}
        self._cancelled = Remembered(REMEMBERED)

    def begin(self, token: str, cancel: Callable[[], object]) -> None:
        """Note how a call is cancelled; if it was already, that is done."""
        with self._lock:
            self._running[token] = cancel
            if token in self._cancelled:
                cancel()

    def end(self, token: str) -> None:
        """Have it not be cancelled from now on; harmless if that is done twice."""
        with self._lock:
            self._running.pop(token, None)

    def cancel(self, token: str) -> None:
        """Cancel a call, now or when it begins."""
        with self._lock:
            self._cancelled.add(token)
            cancel = self._running.get(token)
            if cancel is not None:
                cancel()


calls = Calls()


def cancel(tokens: list[str]) -> None:
    """Cancel calls; a broadcast, so most of them are not here."""
    for token in tokens:
        calls.cancel(token)


def packed(
    function: Any, args: tuple[Any, ...], keywords: dict[str, Any], variables: Variables
) -> bytes:
    """Return a function, its arguments, and what context variables are to be, as bytes."""
    data: bytes = cloudpickle.dumps((function, args, keywords, variables))
    return data


def in_context(variables: Variables) -> Context:
    """Return a context in which variables have these values."""
    context = copy_context()
    for (module, name), value in variables.items():
        context.run(getattr(import_module(module), name).set, value)
    return context


def call(payload: bytes, token: str) -> bytes:
    """Call a function.

    Returns:
        What has become of it, for `opened`.
    """
    try:
        function, args, keywords, variables = cloudpickle.loads(payload)
        runner = run_async if is_async(function) else run_ordinary
        context = in_context(variables)
        outcome = context.run(runner, partial(function, *args, **keywords), token)
    except RemoteCancelled:  # it came at the very end
        calls.end(token)
        outcome = ("cancelled", None)
    except BaseException as exc:
        return failure(exc)
    try:
        data: bytes = cloudpickle.dumps(outcome)
    except Exception as exc:
        what = f"the result of {getattr(function, '__qualname__', function)}() cannot be sent"
        return failure(TypeError(f"{what}: {exc}"))
    return data


def is_async(function: Any) -> bool:
    """Return whether a function is async."""
    while isinstance(function, partial):
        function = function.func
    return makes_coroutines(function) or makes_coroutines(type(function).__call__)


def run_async(function: Callable[[], Any], token: str) -> tuple[str, Any]:
    """Call an async function, in a loop of its own."""

    async def main() -> tuple[str, Any]:
        loop = current_loop()
        with CancelScope() as scope:
            calls.begin(token, lambda: loop.call_soon_threadsafe(scope.cancel, REASON))
            try:
                return "returned", await function()
            finally:
                calls.end(token)
        return "cancelled", None

    return run(main)


def run_ordinary(function: Callable[[], Any], token: str) -> tuple[str, Any]:
    """Call an ordinary function."""
    thread = ctypes.c_ulong(threading.get_ident())
    inject = ctypes.pythonapi.PyThreadState_SetAsyncExc
    try:
        calls.begin(token, lambda: inject(thread, ctypes.py_object(RemoteCancelled)))
        outcome: tuple[str, Any] = ("returned", function())
    except RemoteCancelled:
        outcome = ("cancelled", None)
    finally:
        ended = False
        while not ended:
            try:
                calls.end(token)
                inject(thread, None)  # one that was injected and not raised yet
                ended = True
            except RemoteCancelled:
                pass
    return outcome


def failure(exc: BaseException) -> bytes:
    """Return an exception as bytes: itself if it can travel, and its traceback as text."""
    text = "".join(traceback.format_exception(exc))
    what = "".join(traceback.format_exception_only(exc)).strip()
    sent = None
    if isinstance(exc, Exception):
        try:
            sent = cloudpickle.dumps(exc)
            cloudpickle.loads(sent)
        except Exception:
            sent = None
    data: bytes = cloudpickle.dumps(("raised", (sent, what, text)))
    return data


def opened(data: bytes) -> Any:
    """Return the result of a call, on the near side.

    Raises:
        Exception: what the function has raised.
        RemoteError: the same, if its class is not known here, or it is no `Exception`.
    """
    try:
        kind, value = cloudpickle.loads(data)
    except Exception as exc:
        raise RemoteError(f"the result cannot be read here: {exc!r}") from exc
    if kind == "returned":
        return value
    if kind == "cancelled":
        raise RemoteError("the function was cancelled over there, and not by its caller")
    raise error_of(value)


def check_failure(data: bytes) -> None:
    """Raise what a function has raised; what else has become of it does not matter.

    Raises:
        Exception, RemoteError: see `opened`.
    """
    try:
        kind, value = cloudpickle.loads(data)
    except Exception:
        return  # a result that cannot be read here
    if kind == "raised":
        raise error_of(value)


def error_of(value: tuple[bytes | None, str, str]) -> Exception:
    """Return the exception that `failure` has sent."""
    sent, what, text = value
    error: Exception
    try:
        error = RemoteError(what) if sent is None else cloudpickle.loads(sent)
    except Exception:
        error = RemoteError(what)
    error.add_note(f"On the worker:\n{text}")
    return error
