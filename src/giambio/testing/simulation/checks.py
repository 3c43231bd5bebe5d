"""What must always hold, and what must hold sometime: looked at after every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from giambio.kernel.callbacks import Handle
from giambio.kernel.coroutines import discard
from giambio.kernel.hooks import Hook
from giambio.kernel.introspect import is_awaitable
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
        # What must still hold sometime, each with the timer that ends its time.
        self._pending: dict[Pending, Handle] = {}
        self._all_held = Event()
        self._begun = False

    def always(self, check: Callable[[], object]) -> None:
        """Fail as soon as a check is false."""
        self._always.append(check)
        self._begin()

    def eventually(self, check: Callable[[], object], within: float) -> None:
        """Fail unless a check is true within some seconds."""
        pending = Pending(check)
        self._pending[pending] = self._loop.call_later(within, self._too_late, pending)
        self._begin()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._loop.add_hook(self)

    async def all_held(self) -> None:
        """Wait until all that must hold sometime has held."""
        while self._pending:
            self._all_held = Event()
            await self._all_held.wait()

    def after_step(self, task: Any) -> None:
        """See `Hook.after_step`: an error that is raised here is raised in the main task."""
        for check in self._always:
            if not holds(check):
                raise AssertionError(f"{described(check)} does not hold any more")
        if self._pending:
            for pending in [one for one in self._pending if holds(one.check)]:
                self._pending.pop(pending).cancel()
            self._tell()

    def _tell(self) -> None:
        """Let the simulation end if it waits for the last check that is pending."""
        if not self._pending:
            self._all_held.set()

    def _too_late(self, pending: Pending) -> None:
        del self._pending[pending]
        if not holds(pending.check):
            raise AssertionError(f"{described(pending.check)} did not hold in time")
        self._tell()


class Pending:
    """A check that must be true sometime: one registration of it."""

    def __init__(self, check: Callable[[], object]) -> None:
        self.check = check


def holds(check: Callable[[], object]) -> bool:
    """Make a check.

    Raises:
        TypeError: it is async.
    """
    value = check()
    if is_awaitable(value):
        discard(value)
        raise TypeError(f"{described(check)} is async, but a check is an ordinary function")
    return bool(value)


def described(check: Callable[[], object]) -> str:
    """Return a name for a check: the function's, with the line where it stands."""
    code = getattr(check, "__code__", None)
    name = getattr(check, "__name__", repr(check))
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"
