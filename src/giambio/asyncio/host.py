"""asyncio's loop as the guest of a kernel: its futures and its tasks, in one run.

The tasks of `asyncio.create_task` are tasks of the kernel, held by the loop and by no scope:
connection pools start their maintenance in the task that happens to call first. Each has an
`asyncio.Task` in front (`task_facade`), and a task of giambio's gets one when it needs it.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any

from giambio.asyncio.links import FutureWait, Link
from giambio.asyncio.running import (
    current_task,
    running_loop,
    set_current_task,
    set_running_loop,
)
from giambio.asyncio.task_facade import new_facade
from giambio.kernel import current_library
from giambio.kernel.guest import Guest
from giambio.kernel.kernel import Kernel
from giambio.kernel.run_queue import BaseTask, Runnable
from giambio.kernel.task import Supervisor, Task
from giambio.tasks import cancel

__all__ = ["Host"]


class LoopTasks(Supervisor):
    """The tasks that `create_task` has made."""

    def __init__(self, loop: Any) -> None:
        super().__init__()
        self._loop = loop
        # Around all of them, and never cancelled: so a task has no scope of its own until it is.
        self._scope = cancel.new_scope()

    def _child_exited(self, task: Task) -> None:
        """See `Supervisor._child_exited`: its `asyncio.Task` tells of it."""
        del self._children[task]

    def _add_failure(self, exc: BaseException) -> None:
        """See `Supervisor._add_failure`."""
        self._loop.call_exception_handler(
            {"message": "a task failed that was left in a TaskManager", "exception": exc}
        )


class Host(Guest):
    """What a kernel asks about asyncio.

    Parameters:
        kernel: the kernel.
        loop: asyncio's loop, which runs on it.
    """

    __slots__ = (
        "_begun",
        "_current",
        "_facade",
        "_is_named",
        "_kernel",
        "_links",
        "_outer",
        "_tasks",
        "is_closed",
        "loop",
        "makes_a_facade",
        "watches_steps",
    )

    def __init__(self, kernel: Kernel, loop: Any) -> None:
        self._kernel = kernel
        self.loop = loop
        self._links: dict[BaseTask, Link] = {}
        self._tasks = LoopTasks(loop)
        # The link of the task whose step asyncio has been told of, and its `asyncio.Task`.
        self._current: Link | None = None
        self._facade: Any = None
        # The loop that was asyncio's running one before.
        self._outer: Any = None
        #: Whether asyncio's debug mode is on, and wants to know of slow steps.
        self.watches_steps = False
        self._begun = 0.0
        #: Whether the loop is closed.
        self.is_closed = False
        #: Whether the constructor of an `asyncio.Task` runs, whose first step is dropped.
        self.makes_a_facade = False
        # Whether libraries that ask which one runs are told asyncio. That costs as much as a
        # callback, so it stays until a task of giambio's runs.
        self._is_named = False

    # -- tasks ---------------------------------------------------------------------

    def create_task(self, coro: Any, name: str, context: Context, eager: bool) -> Any:
        """Start a task that belongs to asyncio's loop; see `asyncio.create_task`.

        Parameters:
            coro: a coroutine.
            name: the task's name.
            context: the context to run in.
            eager: whether to run its first step at once.

        Returns:
            Its `asyncio.Task`.
        """
        kernel = self._kernel
        task = cancel.new_task(kernel, coro, context, self._tasks, name)
        link = self._new_link(task, False, name)
        facade = link.facade
        if eager:
            current = self._current
            kernel._step_inside(task)
            self._tell(current)
        else:
            kernel._add_task(task)
        return facade

    def schedule(self, handle: Runnable) -> None:
        """Put a callback on the run queue, behind those that threads have handed in before."""
        kernel = self._kernel
        inbox = kernel._inbox
        while inbox:
            kernel._queue.append(inbox.popleft())
        kernel._queue.append(handle)

    def fire_timers(self) -> None:
        """Put what is due on the run queue."""
        kernel = self._kernel
        kernel._timers.fire(kernel.current_time())

    def forget_tasks(self) -> None:
        """Let go of the tasks that have not ended, because the loop is closed."""
        for link in self._links.values():
            if link._task.done():  # closed by the kernel, because the run was cut short
                link.facade._log_destroy_pending = False
        self._links.clear()
        self._tasks._children.clear()

    def let_go(self) -> None:
        """Let go of the loop, which is closed: it holds this."""
        self.loop = self._tasks._loop = None

    def running_facade(self) -> Any:
        """Return the `asyncio.Task` of the task that runs; None if none does."""
        task = self._kernel._running
        return None if task is None else self._link_of(task).facade

    def runs_asyncios(self) -> bool:
        """Return whether a task of `create_task` runs."""
        return self._current is not None and not self._current.native

    def _link_of(self, task: BaseTask) -> Link:
        link = self._links.get(task)
        if link is None:
            link = self._new_link(task, True, task.name)  # type: ignore[attr-defined]
            if self._kernel._running is task:
                self._tell(link)
        return link

    def _new_link(self, task: Any, native: bool, name: str) -> Link:
        link = Link(task, native)
        link.facade = new_facade(self.loop, link, task._coro, name, task._context)
        self._links[task] = link
        self._kernel._steps_for = self
        return link

    # -- for the kernel ------------------------------------------------------------

    def _take(self, task: BaseTask, foreign: Any) -> bool:
        """See `Guest._take`; None, a bare `yield`, is what `asyncio.sleep(0)` is made of."""
        if foreign is None:
            self._link_of(task).begin_yield()
            self._kernel._queue.append(task)
            return True
        blocking = getattr(foreign, "_asyncio_future_blocking", None)
        link = self._link_of(task)
        if blocking is None:
            if link.native:
                return False
            raise RuntimeError(f"Task got bad yield: {foreign!r}")
        if get_loop(foreign) is not self.loop:
            raise RuntimeError(
                f"Task {link.facade!r} got Future {foreign!r} attached to a different loop"
            )
        if not blocking:
            raise RuntimeError(
                f"yield was used instead of yield from in task {link.facade!r} with {foreign!r}"
            )
        if foreign is link.facade:
            raise RuntimeError(f"Task cannot await on itself: {link.facade!r}")
        foreign._asyncio_future_blocking = False
        wait = FutureWait(link, foreign)
        link.begin_wait(wait)
        foreign.add_done_callback(wait)
        return True

    def _entered(self) -> None:
        """See `Guest._entered`."""
        outer = running_loop()
        if outer is not self.loop:
            self._outer = outer
            set_running_loop(self.loop)
            self.loop._begin_turns()
        self._is_named = False  # the kernel has just said its own

    def _left(self) -> None:
        """See `Guest._left`."""
        if running_loop() is self.loop:
            self._tell(None)
            set_running_loop(self._outer)
            self._outer = None
            self.loop._end_turns()

    def _before_step(self, task: BaseTask) -> None:
        """See `Guest._before_step`."""
        link = self._links.get(task)
        if link is not None:
            link.begin_step()
            self._tell(link)
        elif self._is_named:
            self._name_giambio()

    def _after_step(self, task: BaseTask) -> None:
        """See `Guest._after_step`."""
        if self.watches_steps and self._facade is not None:
            self.loop._report_slowness(self._begun, repr, self._facade)
        if self._current is not None:
            self._current.end_step()
        self._tell(None)

    def _tell(self, link: Link | None) -> None:
        """Have asyncio know the task that runs, and other libraries whose kind it is."""
        previous = self._current
        if previous is link:
            return
        if self.watches_steps:
            self._begun = self._kernel.current_time()
        self._current = link
        self._facade = None if link is None else link.facade
        set_current_task(self.loop, self._facade)
        if link is None:
            return
        if not link.native:
            self.name_asyncio()
        elif self._is_named:
            self._name_giambio()

    def name_asyncio(self) -> None:
        """Have libraries that ask know that asyncio runs: a task of its, or a callback."""
        if not self._is_named:
            self._is_named = True
            self._kernel._steps_for = self  # to learn when that is over
            current_library.swap("asyncio")

    def _name_giambio(self) -> None:
        self._is_named = False
        current_library.swap(current_library.NAME)

    def _exited(self, task: BaseTask) -> None:
        """See `Guest._exited`."""
        link = self._links.pop(task, None)
        if link is not None:
            link.facade._settle(task)
            link.end()

    def _accounts_for(self, task: BaseTask, cancellation: BaseException) -> bool:
        """See `Guest._accounts_for`."""
        link = self._links.get(task)
        return link is not None and link.accounts_for(cancellation)

    def _check_caller(self, what: str) -> None:
        """See `Guest._check_caller`."""
        task = current_task(self.loop)
        if task is not self._facade:
            raise RuntimeError(
                f"{what} was awaited in {task!r}, which asyncio steps by itself: it was made by a "
                "class that was imported before giambio; make it with asyncio.create_task()"
            )

    def _roots(self) -> list[Any]:
        """See `Guest._roots`."""
        return list(self._tasks._children)

    def _shut_down(self) -> None:
        """See `Guest._shut_down`."""
        loop = self.loop
        if self._tasks._children or loop._asyncgens or loop._default_executor is not None:
            self.create_task(loop._shut_down(), "shutdown", Context(), False)


def get_loop(future: Any) -> Any:
    """Return the loop of a future, as asyncio itself asks for it."""
    return asyncio.futures._get_loop(future)  # type: ignore[attr-defined]
