"""The asyncio loop of a run of giambio's: what `asyncio.get_running_loop()` returns in a task."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, NoReturn

from giambio.asyncio.host import Host
from giambio.asyncio.kernel_loop import KernelLoop
from giambio.runtime.loop import EventLoop

__all__ = ["HostedLoop", "invite"]


class HostedLoop(KernelLoop):
    """A loop that giambio's run begins and ends."""

    def __init__(self, kernel: EventLoop) -> None:
        super().__init__(kernel)
        # What giambio does with the async generators of its own tasks.
        self._giambios_hooks: Any = kernel._asyncgen_hooks
        # Where the async generators are that a task of asyncio's has begun. An address stays when
        # its generator has ended: before another one is collected there, it was begun there.
        self._begun_by_asyncio: set[int] = set()

    def _begin_turns(self) -> None:
        """See `KernelLoop._begin_turns`."""
        super()._begin_turns()
        sys.set_asyncgen_hooks(self._generator_begun, self._generator_collected)

    def _generator_begun(self, generator: Any) -> None:
        """Note by whom an async generator is to be finished: by the kind that has begun it."""
        if self._host.runs_asyncios():
            self._begun_by_asyncio.add(id(generator))
            self._asyncgen_firstiter_hook(generator)
        else:
            self._begun_by_asyncio.discard(id(generator))
            self._giambios_hooks[0](generator)

    def _generator_collected(self, generator: Any) -> None:
        """Finish an async generator that was left; called in any thread."""
        if id(generator) in self._begun_by_asyncio:
            self._asyncgen_finalizer_hook(generator)
        else:
            self._giambios_hooks[1](generator)

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
        await self.shutdown_asyncgens()
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
