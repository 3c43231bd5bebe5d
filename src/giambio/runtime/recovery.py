"""What a signal handler that raises may leave behind when it interrupts the runtime itself.

Compiled, a handler runs between two instructions of the program, or while the system is
asked. Interpreted, it also runs between two of ours, and its exception goes its way: out of the
loop, which then closes all tasks, or into the task that has called us, which goes on. So in the
second case something may be half done: a task that is held but not on the run queue, a
cancellation of which some tasks were not told. The tasks themselves are always where their
supervisors hold them, and from there the rest is derived again, as soon as the loop has its turn.
It knows of the signal because Python writes its number to the wakeup's descriptor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from giambio.kernel.kernel import Kernel
from giambio.kernel.task import Task
from giambio.kernel.wait_queue import QueuedOperation
from giambio.tasks.cancel import CancelScope, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["mend"]


def mend(kernel: Kernel) -> None:
    """Put right what was interrupted; where nothing was, this has no effect.

    A wake-up too many is harmless: the operation tries again, and waits again.
    """
    tasks = list(living(kernel))
    for task in tasks:
        if isinstance(task._own_scope, CancelScope):
            spread(task._own_scope)
    for task in tasks:
        for supervisor in list(task._supervisors or ()):
            supervisor._mend()
    for task in tasks:
        if isinstance(task._parked, QueuedOperation):
            task._parked._ready()  # it may have left its queue, and not been woken
        elif task._parked is None and not task.done():
            kernel._queue.append(task)


def living(kernel: Kernel) -> Iterator[Task]:
    """Return all tasks, parents before their children."""
    todo: list[Task] = kernel._roots()
    while todo:
        task = todo.pop()
        yield task
        for supervisor in task._supervisors or ():
            todo.extend(supervisor._children)
