"""The task tree: for each task its parent, its place in the code, and the object of its wait.

It is made on demand from data that the tasks have anyway, so it costs nothing until it
is asked for. The deadlock report is the same tree.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import current_kernel
from giambio.kernel.system_clock import system_time
from giambio.kernel.task import Task
from giambio.kernel.tracebacks import is_ours

__all__ = ["FrameInfo", "TaskInfo", "format_task_tree", "lines_of", "task_tree", "tree_of"]


class FrameInfo(NamedTuple):
    """A line of the user's code: an item of ``TaskInfo.frames``.

    Example:
        >>> import giambio
        >>> giambio.FrameInfo("app.py", 12, "fetch").line
        12
    """

    file: str
    line: int
    function: str


class TaskInfo(NamedTuple):
    """A task in the tree that `task_tree` returns, with its children.

    `state` is ``"running"``, ``"ready"`` (it waits for its turn) or ``"waiting"``;
    then `waits_for` names the object of the wait. `frames` are those of the user's
    code, the outermost first. `seconds` is how long it is in that state, counted from the
    beginning of the loop's turn, so it may be a little more.

    Example:
        >>> import giambio
        >>> async def main():
        ...     return giambio.task_tree()[0].state
        >>> giambio.run(main)
        'running'
    """

    id: int
    name: str
    state: str
    waits_for: str
    frames: tuple[FrameInfo, ...]
    children: tuple[TaskInfo, ...]
    seconds: float = 0.0


def task_tree() -> tuple[TaskInfo, ...]:
    """Return the tasks of the running loop, as a tree.

    Returns:
        The main task with its children, at all depths; at the end of a run also the
        tasks that close async generators.

    Raises:
        RuntimeError: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         await manager.spawn(giambio.sleep_forever, name="sleeper")
        ...         await giambio.checkpoint()
        ...         (child,) = giambio.task_tree()[0].children
        ...         print(child.name, child.state, child.waits_for)
        ...         manager.cancel()
        >>> giambio.run(main)
        sleeper waiting sleep_forever()
    """
    return tree_of(current_kernel())


def tree_of(kernel: Kernel) -> tuple[TaskInfo, ...]:
    """Return the task tree of a loop.

    Another thread may ask while the loop runs on. So everything is read once, and of a task that
    moves meanwhile either what was or what is now is told.
    """
    family = family_of(kernel)
    now = system_time()
    described: dict[Task, TaskInfo] = {}
    for task, children in reversed(family.items()):
        below = tuple(described.pop(child) for child in children)
        state, waits_for = state_of(task, kernel._running)
        frames = tuple(user_frames(task, kernel if state == "running" else None))
        described[task] = TaskInfo(
            task.id, task.name, state, waits_for, frames, below, max(0.0, now - task._since)
        )
    return tuple(reversed(described.values()))


def family_of(kernel: Kernel) -> dict[Task, list[Task]]:
    """Return all tasks of a loop, parents first, each with its children."""
    family: dict[Task, list[Task]] = {}
    order: list[Task] = list(dict.fromkeys(kernel._roots()))
    seen = set(order)
    for task in order:
        # One that moves meanwhile, from `manager.start()` into its manager, is met in both.
        children = [child for child in dict.fromkeys(children_of(task)) if child not in seen]
        seen.update(children)
        order.extend(children)
        family[task] = children
    return family


def children_of(task: Task) -> Iterator[Task]:
    """Yield the children of a task, in the order they were spawned."""
    for supervisor in tuple(task._supervisors or ()):
        yield from list(supervisor._children)


def state_of(task: Task, running: object) -> tuple[str, str]:
    """Return the state of a task, and the object of its wait."""
    if task is running:
        return "running", ""
    park = task._parked
    if park is None:
        return "ready", ""
    what, subject = getattr(park, "what", None), park.subject()
    if subject is None:
        return "waiting", what or "an object of another library"
    return "waiting", f"{what} on {shown(subject)}" if what else shown(subject)


def shown(subject: object) -> str:
    """Return the `repr` of the object of a wait, also if it is another library's and fails."""
    try:
        return repr(subject)
    except Exception as exc:
        return f"<{type(subject).__name__}, whose repr raised {type(exc).__name__}>"


def user_frames(task: Task, runs_in: Kernel | None) -> Iterator[FrameInfo]:
    """Yield the frames of a task, the outermost first, without giambio's own.

    Parameters:
        task: the task.
        runs_in: its loop, if it runs.
    """
    if runs_in is None:
        frames = [frame for frame, _ in chain_of(task._coro)]
    else:
        frames = stack_of(task._coro, runs_in._thread)
    for frame in frames:
        if frame is not None and not is_ours(frame.f_globals.get("__name__")):
            code = frame.f_code
            yield FrameInfo(code.co_filename, frame.f_lineno, code.co_qualname)


def stack_of(coro: Any, thread: int) -> list[types.FrameType | None]:
    """Return the frames of the task that runs in a thread, the outermost first.

    If it has just ceased to run, the thread's frames are not its own, but those of its awaits are.
    """
    outermost = getattr(coro, "cr_frame", None)
    frames: list[types.FrameType | None] = []
    frame = sys._current_frames().get(thread)
    while frame is not None:
        frames.append(frame)
        if frame is outermost:
            return frames[::-1]
        frame = frame.f_back
    if isinstance(coro, types.CoroutineType):
        return [frame for frame, _ in chain_of(coro)]
    return frames[::-1]


def innermost(coro: Any) -> Any:
    """Return the last object in the chain of awaits of a coroutine: an operation, mostly."""
    for _, awaited in chain_of(coro):
        coro = awaited
    return coro


def chain_of(awaited: Any) -> Iterator[tuple[types.FrameType | None, Any]]:
    """Yield the chain of awaits, the outermost first: a frame, if there is one, and the object."""
    while awaited is not None:
        here = awaited
        frame: types.FrameType | None = None
        if isinstance(awaited, types.CoroutineType):
            frame, awaited = awaited.cr_frame, awaited.cr_await
        elif isinstance(awaited, types.GeneratorType):
            frame, awaited = awaited.gi_frame, awaited.gi_yieldfrom
        elif isinstance(awaited, types.AsyncGeneratorType):
            frame, awaited = awaited.ag_frame, awaited.ag_await
        else:
            awaited = behind(awaited)
        yield frame, here


def behind(awaited: Any) -> Any:
    """Return the object that a helper object of Python awaits, such as that of `__anext__`.

    It has no attribute for it, but the garbage collector knows its references.
    """
    if type(awaited).__name__ in ("async_generator_asend", "async_generator_athrow"):
        kind: Any = types.AsyncGeneratorType
    elif type(awaited).__name__ == "coroutine_wrapper":
        kind = types.CoroutineType
    else:
        return None
    return next((one for one in gc.get_referents(awaited) if isinstance(one, kind)), None)


def format_task_tree(tree: Iterable[TaskInfo] | None = None) -> str:
    """Format the task tree as text, for a terminal or a log.

    Parameters:
        tree: the result of `task_tree`; by default that of the running loop, now.

    Raises:
        RuntimeError: without `tree`, and no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         await manager.spawn(giambio.sleep_forever, name="sleeper")
        ...         await giambio.checkpoint()
        ...         print(giambio.format_task_tree().splitlines()[-1])
        ...         manager.cancel()
        >>> giambio.run(main)
        └── sleeper (2) waits for sleep_forever()
    """
    return "\n".join(lines_of(task_tree() if tree is None else tree))


def doing(name: str, number: int, state: str, waits_for: str) -> str:
    """Write who a task is, and what it does."""
    return f"{name} ({number}) {f'waits for {waits_for}' if waits_for else f'is {state}'}"


def place(file: str, line: int, function: str) -> str:
    """Write a place in the code."""
    return f"{file}:{line} in {function}"


def lines_of(tree: Iterable[TaskInfo]) -> Iterator[str]:
    """Draw tasks and all below them; without recursion, because trees may be deep."""
    todo = [(root, "", "") for root in tree][::-1]
    while todo:
        task, first, rest = todo.pop()
        yield f"{first}{doing(task.name, task.id, task.state, task.waits_for)}"
        bar = "│   " if task.children else "    "
        for frame in task.frames:
            yield f"{rest}{bar}{place(*frame)}"
        for number, child in enumerate(reversed(task.children)):
            branch, space = ("└── ", "    ") if number == 0 else ("├── ", "│   ")
            todo.append((child, rest + branch, rest + space))
