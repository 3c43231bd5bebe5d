"""The transports of one loop that have something to do, served one after the other.

The system does the same thing for all of them then, one after the other, and what is the same for
all is done once.
"""

from __future__ import annotations

from contextvars import Context
from typing import Any

from giambio.asyncio.host import Host
from giambio.kernel.callbacks import Handle
from giambio.kernel.kernel import Kernel
from giambio.kernel.run_queue import Runnable, RunQueue

__all__ = ["ReadyStreams"]


class ReadyStreams:
    """One item of the kernel's run queue, for all transports that are ready.

    Parameters:
        host: knows the kernel, and asyncio's loop on it.
    """

    __slots__ = ("_host", "_kernel", "_streams", "_turn")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._kernel: Kernel = host._kernel
        self._streams = RunQueue()
        self._turn = Handle(self._serve, (), Context())

    def append(self, stream: Runnable) -> None:
        """Have a transport get its turn."""
        self._streams.append(stream)
        self._kernel._queue.append(self._turn)

    def _serve(self) -> None:
        """Give those that are ready now their turn, and no second one."""
        streams = self._streams
        self._host.name_asyncio()
        watched = self._host.watches_steps
        count = streams.length
        try:
            while count > 0:
                count -= 1
                stream: Any = streams.pop()
                if watched:
                    begin = self._kernel.current_time()
                    stream._run()
                    self._host.loop._report_slowness(begin, repr, stream)
                else:
                    stream._run()
        finally:
            if streams.length:
                self._kernel._queue.append(self._turn)
