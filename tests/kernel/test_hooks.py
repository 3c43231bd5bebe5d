"""Hooks for tools: their calls, the order of these, and the removal of a hook that raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.kernel.operation import Wait
from support.kernel import turns

EVENTS = ["spawned", "before_step", "after_step", "parked", "woken", "cancelled", "exited"]


class Recorder(giambio.Hook):
    """Notes every event with the name of its task."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.parks: list[Any] = []

    def spawned(self, task: Any, by: object) -> None:
        self.events.append(("spawned", task.name))

    def before_step(self, task: Any) -> None:
        self.events.append(("before_step", task.name))

    def after_step(self, task: Any) -> None:
        self.events.append(("after_step", task.name))

    def parked(self, task: Any, on: object) -> None:
        self.events.append(("parked", task.name))
        self.parks.append(on)

    def woken(self, task: Any, by: object) -> None:
        self.events.append(("woken", task.name))

    def cancelled(self, task: Any) -> None:
        self.events.append(("cancelled", task.name))

    def exited(self, task: Any) -> None:
        assert task.done()
        self.events.append(("exited", task.name))

    def of(self, name: str) -> list[str]:
        """The events of one task."""
        return [event for event, task in self.events if task == name]


def raising_hook(event: str) -> giambio.Hook:
    """A hook that raises at one event, and counts how often it was called."""

    class Raises(giambio.Hook):
        calls = 0

    def method(self: Raises, *args: Any) -> None:
        self.calls += 1
        raise KeyError(event)

    setattr(Raises, event, method)
    return Raises()


@pytest.mark.usefixtures("in_turn")
def test_hooks_hear_the_life_of_a_task_in_order(loop: giambio.EventLoop) -> None:
    """Rule 3.16: hooks exist before and after each step."""
    recorder = Recorder()
    wait = Wait(name="the wait")

    async def child() -> None:
        await wait
        await giambio.checkpoint()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child, name="child")
            loop.call_soon(wait.wake)

    loop.add_hook(recorder)
    loop.start(main)
    step = ["before_step", "after_step"]
    assert recorder.of("child") == [
        "spawned",
        *step,
        "parked",
        "woken",
        *step,  # a checkpoint parks nobody
        "before_step",
        "exited",
        "after_step",
    ]
    assert wait in recorder.parks


@pytest.mark.parametrize("make", [Wait, giambio.sleep_forever], ids=["Wait", "sleep_forever"])
def test_hooks_hear_that_a_parked_task_is_cancelled(
    loop: giambio.EventLoop, make: Callable[[], Any]
) -> None:
    """Rule 3.16: cancelled."""
    recorder = Recorder()

    async def child() -> None:
        await make()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child, name="child")
            await turns(2)
            manager.cancel()

    loop.add_hook(recorder)
    loop.start(main)
    events = recorder.of("child")
    assert events[-4:] == ["cancelled", "before_step", "exited", "after_step"]
    assert events.count("woken") == 0


def test_a_removed_hook_hears_nothing_more(loop: giambio.EventLoop) -> None:
    recorder, other = Recorder(), Recorder()

    async def main() -> None:
        await giambio.checkpoint()
        loop.remove_hook(recorder)
        await giambio.checkpoint()

    loop.add_hook(recorder)
    loop.add_hook(other)
    loop.start(main)
    assert len(recorder.events) < len(other.events)
    loop.remove_hook(other)
    with pytest.raises(ValueError, match="this hook was not added"):
        loop.remove_hook(other)


def test_a_hook_may_be_added_by_a_task_and_stays_for_the_next_run(
    loop: giambio.EventLoop,
) -> None:
    recorder = Recorder()

    async def main() -> None:
        loop.add_hook(recorder)
        await giambio.checkpoint()

    loop.start(main)
    assert recorder.events[-2:] == [
        ("exited", recorder.events[-1][1]),
        ("after_step", recorder.events[-1][1]),
    ]
    before = len(recorder.events)
    loop.start(giambio.sleep, 0)
    assert len(recorder.events) > before


def test_a_hook_has_a_current_loop_also_when_events_are_delivered_by_turns(
    loop: giambio.EventLoop,
) -> None:
    seen: list[tuple[str, Any]] = []

    class Asks(giambio.Hook):
        def woken(self, task: Any, by: object) -> None:
            seen.append(("woken", giambio.current_loop()))

        def before_step(self, task: Any) -> None:
            seen.append(("before_step", giambio.current_loop()))

    async def main() -> None:
        import socket

        left, right = map(giambio.wrap_socket, socket.socketpair())
        with left, right:
            async with giambio.TaskManager() as manager:
                await manager.spawn(left.receive, 1)
                await turns(3)
                await right.send_all(b"x")

    loop.add_hook(Asks())
    task = loop.begin(main)
    while not task.done():
        loop.turn()
    loop.end()
    assert ("woken", loop) in seen
    assert {where for _, where in seen} == {loop}


@pytest.mark.parametrize("event", [event for event in EVENTS if event != "spawned"])
@pytest.mark.usefixtures("in_turn")
def test_a_hook_that_raises_is_removed_and_its_error_is_raised_into_the_main_task(
    loop: giambio.EventLoop, event: str
) -> None:
    """Rule 3.17: it is removed, and its error raised into the main task."""
    hook, recorder = raising_hook(event), Recorder()
    wait = Wait()

    async def child() -> None:
        await wait
        await giambio.sleep_forever()

    async def main() -> None:
        await giambio.checkpoint()
        async with giambio.TaskManager() as manager:
            await manager.spawn(child, name="child")
            await turns(2)
            loop.add_hook(hook)
            loop.add_hook(recorder)
            wait.wake()
            await turns(2)
            manager.cancel()
            await giambio.checkpoint_if_cancelled()

    with pytest.raises(KeyError, match=event):
        loop.start(main)
    assert hook.calls == 1  # type: ignore[attr-defined]
    assert "exited" in recorder.of("child"), "the other hooks and the tasks go on"
    with pytest.raises(ValueError, match="was not added"):
        loop.remove_hook(hook)


def test_a_hook_that_raises_when_the_main_task_is_spawned_or_has_ended_is_not_lost(
    loop: giambio.EventLoop,
) -> None:
    """Rules 1.13, 3.17: an error that comes too late for the main task."""
    for event in ("spawned", "exited"):
        loop.add_hook(raising_hook(event))
        with pytest.raises(KeyError, match=event):
            loop.start(giambio.sleep, 0)
    loop.start(giambio.sleep, 0)


def test_a_hook_that_removes_itself_and_raises_is_no_different(loop: giambio.EventLoop) -> None:
    class RemovesItself(giambio.Hook):
        def before_step(self, task: Any) -> None:
            loop.remove_hook(self)
            raise KeyError("twice")

    async def main() -> str:
        with pytest.raises(KeyError, match="twice"):
            await giambio.checkpoint()
        return "goes on"

    loop.add_hook(RemovesItself())
    assert loop.start(main) == "goes on"


@pytest.mark.parametrize("wrong", [None, giambio.Hook, Recorder, object(), print], ids=repr)
def test_what_is_no_hook_is_refused(loop: giambio.EventLoop, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"add_hook\(\) needs an instance of giambio.Hook, not"):
        loop.add_hook(wrong)
