"""A session: what was typed runs in a loop that goes on while one types.

Each input is a task of its own in the loop's thread, so `current_task`, `task_tree` and signal
handlers work as in a program, and all inputs share one context, so context variables keep their
values. The prompt waits in another thread. What goes on meanwhile belongs to the session's
`TaskManager`: one that has failed is reported and replaced, because the session outlasts it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from types import CodeType, CoroutineType, FrameType, FunctionType
from typing import Any, TypeVar

from giambio.errors import CancelledError
from giambio.kernel.checkpoints import sleep_forever
from giambio.kernel.tracebacks import is_ours, user_part
from giambio.runtime.loop import EventLoop
from giambio.runtime.sigint import user_code_runs
from giambio.sync.event import Event
from giambio.tasks.manager import TaskManager
from giambio.tasks.task_status import TaskStatus
from giambio.threads.to_thread import to_thread

__all__ = ["Session"]

T = TypeVar("T")


class Session:
    """The inputs of one terminal, and the loop that they run in.

    Parameters:
        namespace: the names that they see; ``manager`` is added.
        report: shows the exception of a background task.
        interrupt_prompt: called for Ctrl-C while nothing runs that was typed.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        report: Callable[[BaseException], None],
        interrupt_prompt: Callable[[], None],
    ) -> None:
        self._namespace = namespace
        self._report = report
        self._interrupt_prompt = interrupt_prompt
        self._loop = EventLoop(detect_deadlocks=False)
        self._inputs = 0
        # Around the input that runs; None while the prompt waits.
        self._block: TaskManager | None = None
        self._interrupted = False
        self._ending = False

    def run(self, prompt: Callable[[], T]) -> T:
        """Run the loop until the prompt has ended; then cancel what is left, and wait for it.

        Parameters:
            prompt: called in a thread; it hands what was typed to `execute` by `from_thread`.

        Returns:
            The result of `prompt`.

        Raises:
            KeyboardInterrupt: Ctrl-C while the last tasks end.
        """
        ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if ours:
            signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            return self._loop.start(self._main, prompt)
        finally:
            if ours:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            self._loop.close()

    async def execute(self, code: CodeType) -> BaseException | None:
        """Run what was typed; the first Ctrl-C cancels it, or raises where it does not wait.

        Returns:
            The exception that it has raised, or None.
        """
        self._inputs += 1
        self._interrupted = False
        async with TaskManager() as block:
            self._block = block
            name = f"input {self._inputs}"
            task = block.start_soon(self._execute, code, name=name, context=self._context)
        self._block = None
        if block.cancel_scope.cancelled_caught:
            return KeyboardInterrupt()
        return task.result()

    async def _execute(self, code: CodeType) -> BaseException | None:
        try:
            awaited = FunctionType(code, self._namespace)()
            if isinstance(awaited, CoroutineType):  # only if there is an `await` in it
                await awaited
        except CancelledError:
            raise
        # It is raised again where it can be shown. A `GeneratorExit`, too: if it is the end of this
        # coroutine and not a mistake, nobody looks at the result.
        except BaseException as exc:
            return user_part(exc)
        return None

    async def _main(self, prompt: Callable[[], T]) -> T:
        self._context = copy_context()
        ended = Event()
        async with TaskManager() as manager:
            await manager.start(self._keep_manager)
            console = manager.start_soon(partial(to_thread, prompt, abandon_on_cancel=True))
            console.add_done_callback(lambda _: ended.set())
            while not ended.is_set():
                try:
                    await ended.wait()
                except Exception as exc:  # of a callback: it belongs to no task, so to this one
                    self._report(exc)
            self._ending = True
            manager.cancel("the session has ended")
        result: T = console.result()
        return result

    async def _keep_manager(self, task_status: TaskStatus[None]) -> None:
        """Hold a `TaskManager` open for background tasks, and a new one when it has ended."""
        started = False
        while True:
            try:
                async with TaskManager() as manager:
                    self._namespace["manager"] = manager
                    if not started:
                        started = True
                        task_status.started()
                    await sleep_forever()
            except (CancelledError, GeneratorExit):
                raise
            except BaseException as exc:  # `SystemExit` too: only the prompt ends the session
                self._report(user_part(exc))

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Handle Ctrl-C; in the main thread, between any two instructions of the loop's."""
        loop, block = self._loop, self._block
        if self._ending:
            loop._stop_between_steps(KeyboardInterrupt())
        elif block is None:
            self._interrupt_prompt()
        elif typed_code_runs(frame) or (self._interrupted and user_code_runs(loop, frame)):
            loop._torn = True
            raise KeyboardInterrupt
        else:
            # The second one is raised in any task: one of the others may hold the loop.
            self._interrupted = True
            loop.call_soon_threadsafe(block.cancel, "Ctrl-C")


def typed_code_runs(frame: FrameType | None) -> bool:
    """Return whether a step of what was typed is under way, and none of our frames in it."""
    while frame is not None and not is_ours(frame.f_globals.get("__name__")):
        frame = frame.f_back
    return frame is not None and frame.f_code is Session._execute.__code__
