"""The task in the loop that a worker thread has asked for, and waits for.

A callback task runs inside the scopes of the task that waits for the thread, as a child of that
one, its host. So it is cancelled with its host, it is closed with it when the loop breaks down,
and it has ended before the host can go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any

from giambio.errors import CancelledError, RunFinishedError
from giambio.kernel.callbacks import Handle
from giambio.kernel.coroutines import to_coroutine
from giambio.kernel.kernel import Kernel
from giambio.kernel.task import Supervisor, Task
from giambio.kernel.tracebacks import user_part
from giambio.tasks import cancel
from giambio.threads.call import ThreadCall

__all__ = ["CallbackTask", "loop_ended"]


class CallbackTask(Supervisor):
    """One async function that runs in the loop for a thread."""

    __slots__ = (
        "_args",
        "_call",
        "_context",
        "_ended",
        "_function",
        "_keywords",
        "_settled",
        "_what",
        "error",
        "returned",
    )

    def __init__(
        self,
        what: str,
        call: ThreadCall,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        context: Context,
    ) -> None:
        self._children = {}
        self._scope = None
        self._host: Task[Any] | None = None
        self._what = what
        self._call = call
        self._function = function
        self._args = args
        self._keywords = keywords
        self._context = context
        self._ended = threading.Lock()
        self._ended.acquire()
        # Taken by the first who knows how it ends: the loop, or the thread that sees it ended.
        self._settled = threading.Lock()
        self.returned: Any = None
        self.error: BaseException | None = None

    # -- in the thread -------------------------------------------------------------

    def wait(self) -> None:
        """Have it run, and wait until `error` or `returned` is set."""
        call = self._call
        kernel = call.loop()
        if kernel is None:
            self.error = loop_ended()
            return
        if call.abandoned and call.task is None:  # for good: the loop has no more to say
            self.error = CancelledError(call.reason)
            return
        if not kernel._hand_over(Handle(self._enter, (), self._context, dropped=self._abandon)):
            self._abandon()
        self._ended.acquire()

    # -- in the loop -----------------------------------------------------------------

    def _enter(self) -> None:
        """Begin."""
        call = self._call
        host: Task[Any] | None = call.task  # type: ignore[assignment]
        if call.abandoned or host is None:
            self._end(None, CancelledError(call.reason))
            return
        try:
            coro = to_coroutine(self._what, self._function, self._args, self._keywords)
        except BaseException as exc:
            self._end(None, user_part(exc))
            return
        kernel: Kernel = host._kernel  # type: ignore[assignment]
        self._work_for(host)
        task = cancel.new_task(kernel, coro, self._context, self, None)
        call.callback_began(self)
        kernel._add_task(task)

    def interrupt(self) -> None:
        """End soon: the host wants to go."""
        for task in list(self._children):
            task.cancel("the task that waits for the thread was interrupted")

    def _take_over(self, child: Task[Any]) -> None:
        """See `Supervisor._take_over`: we hold one task only."""
        if self._host is not None and self._host._supervisor is not None:
            self._host._supervisor._take_over(child)

    def _child_exited(self, task: Task[Any]) -> None:
        """See `Supervisor._child_exited`."""
        self._children.clear()
        host = self._host
        self._host = None
        self._scope = None
        if host is not None and host._supervisors is not None:
            host._supervisors.remove(self)
        if not task._failed() and not task.cancelled():
            self._end(task._outcome, None)
        elif task.cancelled() and host is not None and (host._pending or self._call._leaving):
            self._end(None, host._cancellation())
        else:
            self._end(None, task._problem("from_thread.run()"))
        self._call.callback_ended()

    def _abandon(self) -> None:
        """The loop has ended first."""
        self._end(None, loop_ended())

    def _end(self, returned: Any, error: BaseException | None) -> None:
        if self._settled.acquire(blocking=False):
            self.returned = returned
            self.error = error
            self._ended.release()


def loop_ended() -> RunFinishedError:
    """Return the error of a thread that asks a loop which has ended."""
    return RunFinishedError("the loop that this thread works for has ended")
