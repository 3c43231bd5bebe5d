"""The transports of one loop that have something to do, served one after the other.

The system does the same thing for all of them then, one after the other, and what is the same for
all is done once.
"""

from __future__ import annotations

from typing import Any

from giambio.asyncio.host import Host
from giambio.kernel.kernel import Kernel
from giambio.kernel.run_queue import Runnable, RunQueue

__all__ = ["ReadyTransports"]


class ReadyTransports(Runnable):
    """One item of the kernel's run queue, for all transports that are ready.

    Parameters:
        host: knows the kernel, and asyncio's loop on it.
    """

    __slots__ = ("_host", "_kernel", "_transports")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._kernel: Kernel = host._kernel
        self._transports = RunQueue()
        self._following = None
        self._queued = False
        self._is_task = False

    def append(self, transport: Runnable) -> None:
        """Have a transport get its turn."""
        self._transports.append(transport)
        self._kernel._queue.append(self)

    def _run(self) -> None:
        """Give those that are ready now their turn, and no second one."""
        transports = self._transports
        self._host.name_asyncio()
        watched = self._host.watches_steps
        count = transports.length
        try:
            while count > 0:
                count -= 1
                transport: Any = transports.pop()
                if watched:
                    begin = self._kernel.current_time()
                    transport._run()
                    self._host.loop._report_slowness(begin, repr, transport)
                else:
                    transport._run()
        finally:
            if transports.length:
                self._kernel._queue.append(self)

    def _is_ours(self) -> bool:
        """See `kernel.callbacks.Handle._is_ours`."""
        return True

    def _drop(self) -> None:
        """See `kernel.callbacks.Handle._drop`."""
