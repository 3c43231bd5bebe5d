"""Hooks for tools: monitors, tracers and reports are built on these.

The kernel calls them only while there is one; otherwise each costs one
comparison.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Hook"]


class Hook:
    """Interface for tools: subclass it, override methods, and pass it to `EventLoop.add_hook`.

    The methods run inside the kernel, between two steps: they must be quick and
    must not raise. One that raises is removed, and its error is raised into the
    main task. This is the one class of giambio that is made for subclassing. A method that
    is not overridden costs nothing; whether it is, is looked at when the hook is added.

    Example:
        >>> import giambio
        >>> class Counter(giambio.Hook):
        ...     steps = 0
        ...     def before_step(self, task):
        ...         self.steps += 1
        >>> counter = Counter()
        >>> loop = giambio.EventLoop()
        >>> loop.add_hook(counter)
        >>> async def main():
        ...     await giambio.checkpoint()
        >>> loop.start(main)
        >>> counter.steps
        2
    """

    def spawned(self, task: Any, by: Any) -> None:
        """A task was made and will run. `by` is the task or the callback (a `Handle`) that did it.

        It is None for the main task, which nobody in the loop has made.
        """

    def before_step(self, task: Any) -> None:
        """A task is about to run."""

    def after_step(self, task: Any) -> None:
        """A task has parked, yielded or ended."""

    def parked(self, task: Any, on: object) -> None:
        """A task waits for an operation."""

    def woken(self, task: Any, by: Any) -> None:
        """A task that was parked will run. `by` is the task or the callback that has woken it.

        It is None if its time has come, or the system has reported an event.
        """

    def cancelled(self, task: Any) -> None:
        """A task that was parked has been interrupted."""

    def exited(self, task: Any) -> None:
        """A task has ended."""

    def swallowed(self, task: Any, scope: Any) -> None:
        """A task caught a cancellation itself, and left the scope, or ended, as if nothing were.

        Nothing breaks by that: the next checkpoint would have raised again. But often it is
        an ``except BaseException`` that meant something else.
        """

    def scope_entered(self, task: Any, scope: Any) -> None:
        """A task has entered the block of a `CancelScope`, also of one with a time limit."""

    def scope_left(self, task: Any, scope: Any) -> None:
        """A task has left it."""

    def callback_run(self, callback: Any, began: float) -> None:
        """A callback, a `Handle`, was called and has returned.

        `began` is when that began, in seconds of `time.monotonic`.
        """

    def turn_began(self) -> None:
        """The loop begins to run what is ready."""

    def turn_ended(self) -> None:
        """What was ready has run. Often the loop now waits for events."""
