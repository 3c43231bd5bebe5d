"""The transports of one loop that have something to do, served one after the other.

The system does the same thing for all of them then, one after the other, and what is the same for
all is done once: the callbacks of protocols run in asyncio's name.
"""

from __future__ import annotations

from contextvars import Context
from typing import Any

from giambio.kernel.callbacks import Handle
from giambio.kernel.current_library import swap
from giambio.kernel.kernel import Kernel
from giambio.kernel.run_queue import Runnable, RunQueue

__all__ = ["ReadyStreams"]


class ReadyStreams:
    """One item of the kernel's run queue, for all transports that are ready.

    Parameters:
        kernel: the kernel.
        loop: asyncio's loop on it.
    """

    __slots__ = ("_kernel", "_loop", "_streams", "_turn")

    def __init__(self, kernel: Kernel, loop: Any) -> None:
        self._kernel = kernel
        self._loop = loop
        self._streams = RunQueue()
        self._turn = Handle(self._serve, (), Context())

    def append(self, stream: Runnable) -> None:
        """Have a transport get its turn."""
        self._streams.append(stream)
        self._kernel._queue.append(self._turn)

    def _serve(self) -> None:
        """Give those that are ready now their turn, and no second one."""
        streams = self._streams
        watched = self._loop.get_debug()
        library = swap("asyncio")
        count = streams.length
        try:
            while count > 0:
                count -= 1
                stream: Any = streams.pop()
                if watched:
                    begin = self._loop.time()
                    stream._run()
                    self._loop._report_slowness(begin, repr, stream)
                else:
                    stream._run()
        finally:
            swap(library)
            if streams.length:
                self._kernel._queue.append(self._turn)
