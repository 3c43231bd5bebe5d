"""What must always hold, and what must hold sometime: looked at after every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from giambio.kernel.hooks import Hook
from giambio.runtime.loop import EventLoop
from giambio.sync.event import Event

__all__ = ["Checks"]


class Checks(Hook):
    """The checks of one simulation.

    Parameters:
        loop: its loop.
    """

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._always: list[Callable[[], object]] = []
        # With the time at which each must have held.
        self._pending: dict[Callable[[], object], float] = {}
        self._all_held = Event()
        self._begun = False

    def always(self, check: Callable[[], object]) -> None:
        """Fail as soon as a check is false."""
        self._always.append(check)
        self._begin()

    def eventually(self, check: Callable[[], object], within: float) -> None:
        """Fail unless a check is true within some seconds."""
        self._pending[check] = self._loop.current_time() + within
        self._all_held = Event()
        self._loop.call_later(within, self._too_late, check)
        self._begin()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._loop.add_hook(self)

    async def all_held(self) -> None:
        """Wait until all that must hold sometime has held."""
        if self._pending:
            await self._all_held.wait()

    def after_step(self, task: Any) -> None:
        """See `Hook.after_step`: an error that is raised here is raised in the main task."""
        for check in self._always:
            if not check():
                raise AssertionError(f"{described(check)} does not hold any more")
        if self._pending:
            for check in [check for check in self._pending if check()]:
                del self._pending[check]
            if not self._pending:
                self._all_held.set()

    def _too_late(self, check: Callable[[], object]) -> None:
        if check in self._pending:
            del self._pending[check]
            raise AssertionError(f"{described(check)} did not hold in time")


def described(check: Callable[[], object]) -> str:
    """Return a name for a check: the function's, with the line where it stands."""
    code = getattr(check, "__code__", None)
    name = getattr(check, "__name__", repr(check))
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"
