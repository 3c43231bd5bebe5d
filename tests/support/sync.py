"""What the tests of locks, queues and their like share: letting tasks get where they wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import giambio


def family(infos: Iterable[giambio.TaskInfo]) -> Iterator[giambio.TaskInfo]:
    """These tasks and all below them."""
    for info in infos:
        yield info
        yield from family(info.children)


async def settled() -> None:
    """Let the other tasks run until each of them waits for something."""
    while True:
        await giambio.cancel_shielded_checkpoint()
        if all(info.state != "ready" for info in family(giambio.task_tree())):
            return


async def outcome_of(awaitable: Any) -> object:
    """Await something, and return what came of it, be it an exception."""
    try:
        return await awaitable
    except BaseException as exc:
        return exc


async def stop_the_loop() -> None:
    """Interrupt the loop itself, as a second Ctrl-C does: it closes its tasks from outside."""
    giambio.current_loop()._stop_between_steps(KeyboardInterrupt())
    await giambio.sleep_forever()


def in_thread(function: Callable[[], object]) -> BaseException | None:
    """Call a function in another thread; returns what it raises."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as exc:
            raised.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return raised[0] if raised else None


class Woken(giambio.Hook):
    """The names of the tasks that were woken, in that order, whatever the schedule."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def woken(self, task: giambio.Task[Any], by: object) -> None:
        self.names.append(task.name)


def watch_wakes() -> Woken:
    """Take note of who is woken in the running loop from now on."""
    hook = Woken()
    giambio.current_loop().add_hook(hook)
    return hook


async def in_line(
    manager: giambio.TaskManager, function: Any, *args: Any, names: str
) -> list[giambio.Task[Any]]:
    """Spawn a task for each letter, one after the other, so that they wait in this order."""
    tasks = []
    for name in names:
        tasks.append(await manager.spawn(function, *args, name=name))
        await settled()
    return tasks
