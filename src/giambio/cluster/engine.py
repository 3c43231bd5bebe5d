"""What a cluster's engine has to do for `ClusterManager`: all that knows the engine is behind this.

Its methods block, so they are called in worker threads, but for `submit` and `forget`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Engine"]


class Engine(Protocol):
    """A cluster that runs calls, each known by a token."""

    def open(self) -> int:
        """Connect, and return how many calls can run at once."""

    def close(self) -> None:
        """Disconnect, and end what was started for it."""

    def submit(self, token: str, payload: bytes, runs: int, when_done: Callable[[], None]) -> None:
        """Have `remote.call` run on a worker, and begin at most so many times.

        `when_done` is called in any thread, when it has ended or is lost.
        """

    def result(self, token: str) -> bytes:
        """Return what a call that is done has returned.

        Raises:
            WorkerLost: it is lost.
        """

    def cancel(self, tokens: list[str]) -> set[str]:
        """Cancel calls where they run, and see to it that the others never begin.

        Returns:
            Those that had not begun. The others are done a little later.
        """

    def forget(self, token: str) -> None:
        """Let go of a call."""
