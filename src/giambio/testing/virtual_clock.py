"""Virtual time: a test of a ten-minute timeout takes no longer than its steps.

The kernel takes the time from its clock only. This one stands still, and the kernel has it jump
to the next deadline when every task waits and nothing has come from outside, as Trio's
`MockClock` does with its autojump.
"""

from __future__ import annotations

from math import inf, isinf

from giambio._build.sealed import final
from giambio.arguments import check_number, check_seconds
from giambio.kernel.clock import Clock

__all__ = ["VirtualClock"]


class VirtualClock(Clock):
    """A clock that stands still, and jumps to the next deadline when every task waits.

    Parameters:
        start: the time to begin with, in seconds.
        autojump_threshold: how many real seconds nothing may happen before time jumps. By
            default it jumps as soon as every task waits and no descriptor is ready;
            infinity leaves it to `jump`.

    Give each loop a clock of its own: ``giambio.run(main, clock=VirtualClock())``.

    While a task waits for a job in a thread, for a file on a disk, for `to_process` or for the
    end of another program, time does not jump: that may be done before the next deadline. Of
    everything else outside the loop giambio cannot know how long it takes, another process at
    the other end of a socket or a pipe for example. A timeout around such a thing fires at
    once, unless `autojump_threshold` leaves it some real time.

    Raises:
        TypeError: a parameter is not a number.
        ValueError: `start` is not a time, or `autojump_threshold` is negative.

    Example:
        >>> import giambio
        >>> from giambio.testing import VirtualClock
        >>> async def main():
        ...     await giambio.sleep(3600)
        ...     return giambio.current_time()
        >>> giambio.run(main, clock=VirtualClock())
        3600.0
    """

    __slots__ = ("_threshold", "_time")

    def __init__(self, start: float = 0.0, *, autojump_threshold: float = 0.0) -> None:
        check_number("VirtualClock()", "start", start)
        check_seconds("VirtualClock()", "autojump_threshold", autojump_threshold)
        if isinf(start):
            raise ValueError("VirtualClock(start=) needs a time to begin with, not infinity")
        self._time = float(start)
        self._threshold = float(autojump_threshold)

    def now(self) -> float:
        """Return the virtual time in seconds.

        Example:
            >>> from giambio.testing import VirtualClock
            >>> VirtualClock(100).now()
            100.0
        """
        return self._time

    def wait_time(self, deadline: float) -> float:
        """Return how many real seconds nothing may happen before time jumps to a deadline.

        Parameters:
            deadline: a time of this clock.

        Example:
            >>> from giambio.testing import VirtualClock
            >>> clock = VirtualClock(100, autojump_threshold=0.5)
            >>> clock.wait_time(100), clock.wait_time(200)
            (0.0, 0.5)
        """
        return 0.0 if deadline <= self._time else self._threshold

    def jump_to(self, deadline: float) -> None:
        """Move the time on to a deadline; nothing happens if that has passed.

        Parameters:
            deadline: a time of this clock.

        Timers that are due fire when the tasks that are ready have run. Not a checkpoint; only
        from the loop's own thread.

        Raises:
            TypeError: `deadline` is not a number.
            ValueError: it is not a time that can be reached.

        Example:
            >>> from giambio.testing import VirtualClock
            >>> clock = VirtualClock()
            >>> clock.jump_to(60)
            >>> clock.now()
            60.0
        """
        check_number("VirtualClock.jump_to()", "deadline", deadline)
        if deadline == inf:
            raise ValueError("VirtualClock.jump_to() cannot reach infinity")
        self._time = max(self._time, float(deadline))

    def jump(self, seconds: float) -> None:
        """Move the time on by some seconds.

        Parameters:
            seconds: how far, from 0 up.

        Timers that are due fire when the tasks that are ready have run. Not a checkpoint; only
        from the loop's own thread.

        Raises:
            TypeError: `seconds` is not a number.
            ValueError: it is negative or infinite.

        Example:
            >>> import giambio
            >>> from giambio.testing import VirtualClock, wait_all_tasks_blocked
            >>> async def main(clock):
            ...     async with giambio.TaskManager() as manager:
            ...         manager.start_soon(giambio.sleep, 60)
            ...         await wait_all_tasks_blocked()
            ...         clock.jump(60)
            ...     return giambio.current_time()
            >>> import math
            >>> clock = VirtualClock(autojump_threshold=math.inf)
            >>> giambio.run(main, clock, clock=clock)
            60.0
        """
        check_number("VirtualClock.jump()", "seconds", seconds)
        if not 0 <= seconds < inf:
            raise ValueError(
                f"VirtualClock.jump() needs a number of seconds from 0 up, not {seconds!r}; "
                "time does not go back"
            )
        self._time += seconds

    def __repr__(self) -> str:
        return f"<giambio.testing.VirtualClock at {self._time!r} s>"


final(VirtualClock)
