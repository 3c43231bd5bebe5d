"""`TaskManager.spawn_threadsafe`: a task's outcome as a `concurrent.futures.Future`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any

from giambio.errors import RunFinishedError
from giambio.kernel.callbacks import Callback, Handle
from giambio.kernel.coroutines import discard

__all__ = ["spawn_for_thread"]


def spawn_for_thread(
    manager: Any, target: Any, args: tuple[Any, ...], keywords: dict[str, Any], future: Future[Any]
) -> Future[Any]:
    """See `TaskManager.spawn_threadsafe`; the outcome is a new future's.

    Parameters:
        keywords: those of the function, and of `TaskManager.start_soon`.

    The task may run before this returns.
    """
    try:
        manager._check_open()
        loop = manager.loop
        launched: list[bool] = []

        def launch() -> None:
            launched.append(True)
            manager._arriving.pop()
            if future.cancelled():
                discard(target)
            else:
                spawn_for_future(
                    manager, partial(manager.start_soon, target, *args, **keywords), future
                )
            manager._pass_place_on()  # if nothing was spawned, the block may end

        def dropped() -> None:
            discard(target)
            if future.set_running_or_notify_cancel():
                future.set_exception(RunFinishedError("the loop of this TaskManager has ended"))

        manager._arriving.append(None)  # from now on the block waits for it
        handed_over = loop._hand_over(Handle(launch, (), copy_context(), dropped=dropped))
        if not handed_over and not launched:
            raise RunFinishedError("the loop of this TaskManager has ended")
    except BaseException:
        discard(target)
        raise
    return future


def spawn_for_future(manager: Any, spawn: Callable[[], Any], future: Future[Any]) -> None:
    """Spawn a task that gives its outcome to a future, and is cancelled with it."""
    try:
        task = spawn()
    except BaseException as exc:
        if future.set_running_or_notify_cancel():
            future.set_exception(exc)
        return

    def ended() -> None:
        if future.done() or not future.set_running_or_notify_cancel():
            return  # cancelled, or set by somebody else
        if task._failed() or task.cancelled():
            future.set_exception(task._problem("result()"))
        else:
            future.set_result(task.result())

    def settled(future: Future[Any]) -> None:
        if future.cancelled():
            with suppress(RunFinishedError):  # then the task has ended anyway
                manager.loop.call_soon_threadsafe(task.cancel, "its future was cancelled")

    task._add_joiner(Callback(ended))
    future.add_done_callback(settled)
