"""What a signal handler that raises may leave behind when it interrupts the runtime itself.

A handler of the program's own runs between two of its instructions, or while the system is asked.
In the interpreted build it also runs between two of ours, and the exception goes on: out of the
loop, which then closes all tasks, or into the task that has called us, which goes on. In the
second case something may be half done: a task that is held but not on the run queue, a
cancellation of which some tasks were not told. The tasks themselves are always where their
supervisors hold them, and from there the rest is derived again, as soon as the loop has its turn.
It knows of the signal because Python writes its number to the wakeup's descriptor.
"""

from __future__ import annotations

from giambio.kernel.kernel import Kernel
from giambio.kernel.task import Task
from giambio.kernel.wait_queue import QueuedOperation
from giambio.tasks.cancel import CancelScope, follow_stop, spread

__all__ = ["mend", "with_descendants"]


def mend(kernel: Kernel) -> None:
    """Put right what was interrupted; where nothing was, this has no effect.

    A wake-up too many is harmless: the operation tries again, and waits again.
    """
    tasks = with_descendants(kernel._roots())
    for task in tasks:
        if isinstance(task._own_scope, CancelScope):
            spread(task._own_scope)
        follow_stop(task, None)
    for task in tasks:
        for supervisor in list(task._supervisors or ()):
            supervisor._mend()
    for task in tasks:
        if isinstance(task._parked, QueuedOperation):
            task._parked._ready()  # it may have left its queue, and not been woken
        elif task._parked is None and not task.done():
            kernel._queue.append(task)


def with_descendants(tasks: list[Task]) -> list[Task]:
    """Return tasks and all below them, parents before their children."""
    found = []
    todo = list(tasks)
    while todo:
        task = todo.pop()
        found.append(task)
        for supervisor in task._supervisors or ():
            todo.extend(supervisor._children)
    return found
