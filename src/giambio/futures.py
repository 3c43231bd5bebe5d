"""A task's outcome for another thread, as a `concurrent.futures.Future`."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from giambio.errors import RunFinishedError
from giambio.kernel.callback import Callback

__all__ = ["spawn_for_thread"]


def spawn_for_thread(manager: Any, target: Any, args: tuple[Any, ...]) -> Future[Any]:
    """See `TaskManager.spawn_threadsafe`."""
    manager.check_open()
    loop = manager.loop
    future: Future[Any] = Future()

    def launch() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            task = manager.start_soon(target, *args)
        except BaseException as exc:
            future.set_exception(exc)
            return
        relay(task, future)

    try:
        loop.call_soon_threadsafe(launch)
    except RuntimeError as exc:
        raise RunFinishedError("the manager's loop has ended") from exc
    return future


def relay(task: Any, future: Future[Any]) -> None:
    """Pass a task's outcome on when it ends."""

    def ended() -> None:
        try:
            result = task.result()
        except BaseException as exc:
            future.set_exception(exc)
        else:
            future.set_result(result)

    task.add_joiner(Callback(ended))
