"""The asyncio loop of a run of giambio's: what `asyncio.get_running_loop()` returns in a task."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from giambio.asyncio.host import Host
from giambio.asyncio.kernel_loop import KernelLoop
from giambio.runtime.loop import EventLoop

__all__ = ["HostedLoop", "invite"]


class HostedLoop(KernelLoop):
    """A loop that giambio's run begins and ends."""

    def run_forever(self) -> NoReturn:
        """Raise: it runs already."""
        raise RuntimeError(
            "this asyncio loop runs in giambio.run(main), which turns it; await what you need "
            "instead of calling run_forever() or run_until_complete()"
        )

    def run_until_complete(self, future: Any) -> NoReturn:
        """Raise: it runs already."""
        if asyncio.iscoroutine(future):
            future.close()
        self.run_forever()

    def stop(self) -> NoReturn:
        """Raise: nothing waits for that."""
        raise RuntimeError(
            "this asyncio loop runs in giambio.run(main), and ends with main; "
            "cancel main's task instead of calling stop()"
        )

    def _listen_to_signals(self) -> None:
        """See `KernelLoop._listen_to_signals`: the run does, if it handles signals at all."""
        if self._kernel._interrupts is not None:
            self._kernel._interrupts.listen()

    async def _shut_down(self) -> None:
        """Do what `asyncio.run` does when its main task has ended."""
        me = asyncio.current_task()
        while left := [task for task in asyncio.all_tasks(self) if task is not me]:
            for task in left:
                task.cancel()
            await asyncio.wait(left)
            for task in left:
                if not task.cancelled() and (exc := task.exception()) is not None:
                    self.call_exception_handler(
                        {
                            "message": "unhandled exception during giambio.run() shutdown",
                            "exception": exc,
                            "task": task,
                        }
                    )
        await self.shutdown_default_executor()

    def loop_ended(self, forked: bool) -> None:
        """See `Kernel._end_services`."""
        self._thread_id = None
        self._host.forget_tasks()
        self.close()
        self._host.let_go()
        self._kernel._services.pop("asyncio", None)  # a cycle


def invite(kernel: EventLoop) -> Host:
    """Have a kernel that begins a run host an asyncio loop."""
    loop = HostedLoop(kernel)
    kernel._services["asyncio"] = loop
    kernel._guest = loop._host
    return loop._host
