"""Who hears of what: for each event, the methods of hooks that do something.

Most tools want to hear of a few events. An event that nobody hears costs a comparison, and a kernel
without hooks has none of these objects at all.
"""

from __future__ import annotations

from typing import Any

from giambio._build.sealed import final
from giambio.kernel.hooks import Hook
from giambio.kernel.run_queue import BaseTask
from giambio.kernel.system_clock import system_time
from giambio.kernel.tracebacks import user_part

__all__ = ["Listeners"]


class Listeners:
    """The hooks of one kernel, by what they listen to. Its methods are named as those of `Hook`."""

    __slots__ = (
        "_kernel",
        "_running",
        "hooks",
        "_after_step",
        "_before_step",
        "_callback_run",
        "_cancelled",
        "_exited",
        "_parked",
        "_scope_entered",
        "_scope_left",
        "_spawned",
        "_swallowed",
        "_turn_began",
        "_turn_ended",
        "_woken",
    )

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        # The callback that runs, if one does.
        self._running: Any = None
        self.set(())

    def set(self, hooks: tuple[Hook, ...]) -> None:
        """Look which of their methods the hooks override."""
        self.hooks = hooks
        self._spawned = listening(hooks, "spawned")
        self._before_step = listening(hooks, "before_step")
        self._after_step = listening(hooks, "after_step")
        self._parked = listening(hooks, "parked")
        self._woken = listening(hooks, "woken")
        self._cancelled = listening(hooks, "cancelled")
        self._exited = listening(hooks, "exited")
        self._swallowed = listening(hooks, "swallowed")
        self._scope_entered = listening(hooks, "scope_entered")
        self._scope_left = listening(hooks, "scope_left")
        self._callback_run = listening(hooks, "callback_run")
        self._turn_began = listening(hooks, "turn_began")
        self._turn_ended = listening(hooks, "turn_ended")

    def spawned(self, task: BaseTask) -> None:
        if self._spawned is not None:
            self._tell(self._spawned, (task, self._cause()))

    def before_step(self, task: BaseTask) -> None:
        if self._before_step is not None:
            self._tell(self._before_step, (task,))

    def after_step(self, task: BaseTask) -> None:
        """A task has run, and may have parked."""
        if self._after_step is not None:
            self._tell(self._after_step, (task,))
        if self._parked is not None and task._parked is not None:
            self._tell(self._parked, (task, task._parked))

    def woken(self, task: BaseTask) -> None:
        if self._woken is not None:
            self._tell(self._woken, (task, self._cause()))

    def cancelled(self, task: BaseTask) -> None:
        if self._cancelled is not None:
            self._tell(self._cancelled, (task,))

    def exited(self, task: BaseTask) -> None:
        if self._exited is not None:
            self._tell(self._exited, (task,))

    def swallowed(self, task: BaseTask, scope: Any) -> None:
        if self._swallowed is not None:
            self._tell(self._swallowed, (task, scope))

    def scope_entered(self, task: BaseTask, scope: Any) -> None:
        if self._scope_entered is not None:
            self._tell(self._scope_entered, (task, scope))

    def scope_left(self, task: BaseTask, scope: Any) -> None:
        if self._scope_left is not None:
            self._tell(self._scope_left, (task, scope))

    def turn_began(self) -> None:
        if self._turn_began is not None:
            self._tell(self._turn_began, ())

    def turn_ended(self) -> None:
        if self._turn_ended is not None:
            self._tell(self._turn_ended, ())

    def callback_began(self, callback: Any) -> float:
        """Note who runs, and return when that began."""
        self._running = callback
        return system_time()

    def callback_ended(self, began: float) -> None:
        """Undo `callback_began`."""
        callback = self._running
        self._running = None
        if self._callback_run is not None:
            self._tell(self._callback_run, (callback, began))

    def _cause(self) -> Any:
        """Return who does what happens now: a task, a callback, or None for time and system."""
        task = self._kernel._running
        return self._running if task is None else task

    def _tell(self, methods: tuple[tuple[Hook, Any], ...], args: tuple[Any, ...]) -> None:
        """Call the methods of hooks. A hook whose method raises is removed."""
        for hook, method in methods:
            try:
                method(*args)
            except BaseException as exc:
                if hook in self.hooks:
                    self._kernel.remove_hook(hook)
                self._kernel._crash(user_part(exc))


final(Listeners)


def listening(hooks: tuple[Hook, ...], event: str) -> tuple[tuple[Hook, Any], ...] | None:
    """Return the hooks that override the method of an event, each with its own; None if none."""
    heard = [(hook, getattr(hook, event)) for hook in hooks]
    empty = getattr(Hook, event)
    return tuple(pair for pair in heard if getattr(pair[1], "__func__", None) is not empty) or None
