"""Hooks for tools: their calls, the order of these, and the removal of a hook that raises."""

from __future__ import annotations

import time
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


class Everything(giambio.Hook):
    """Notes the events that are not of a task's life alone."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def spawned(self, task: Any, by: Any) -> None:
        self.events.append(("spawned", task.name, getattr(by, "name", by)))

    def woken(self, task: Any, by: Any) -> None:
        self.events.append(("woken", task.name, getattr(by, "name", by)))

    def scope_entered(self, task: Any, scope: Any) -> None:
        self.events.append(("scope_entered", task.name, scope))

    def scope_left(self, task: Any, scope: Any) -> None:
        self.events.append(("scope_left", task.name, scope))

    def callback_run(self, callback: Any, began: float) -> None:
        self.events.append(("callback_run", callback, began))

    def turn_began(self) -> None:
        self.events.append(("turn_began",))

    def turn_ended(self) -> None:
        self.events.append(("turn_ended",))

    def of(self, *kinds: str) -> list[tuple[Any, ...]]:
        """The events of some kinds."""
        return [event for event in self.events if event[0] in kinds]


def heard(loop: giambio.EventLoop, main: Callable[..., Any]) -> Everything:
    """What a hook hears of a run."""
    hook = Everything()
    loop.add_hook(hook)
    loop.start(main)
    loop.remove_hook(hook)
    return hook


def test_hooks_hear_who_has_spawned_and_who_has_woken(loop: giambio.EventLoop) -> None:
    """Rule 26.13: the task or the callback; None for time and the system."""
    event, other = giambio.Event(), giambio.Event()
    handles = []

    async def child(event: giambio.Event) -> None:
        await event.wait()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child, event, name="by a task")
            await manager.spawn(child, other, name="by a callback")
            await manager.spawn(giambio.sleep, 0.01, name="by the clock")
            await turns(3)
            event.set()
            handles.append(loop.call_soon(other.set))

    hook = heard(loop, main)
    main_name = hook.of("spawned")[0][1]
    assert hook.of("spawned") == [
        ("spawned", main_name, None),
        ("spawned", "by a task", main_name),
        ("spawned", "by a callback", main_name),
        ("spawned", "by the clock", main_name),
    ]
    causes = {name: by for _, name, by in hook.of("woken")}
    assert causes["by a task"] == main_name
    assert causes["by a callback"] is handles[0]
    assert causes["by the clock"] is None


def test_hooks_hear_of_callbacks_with_the_time_of_their_beginning(
    loop: giambio.EventLoop,
) -> None:
    """Rule 26.13: also of one that fails."""
    handles = []

    def fail() -> None:
        raise KeyError("failed")

    async def main() -> None:
        handles.append(loop.call_soon(time.sleep, 0.02))
        handles.append(loop.call_soon(fail))
        with pytest.raises(KeyError):
            await giambio.sleep_forever()

    before = time.monotonic()
    hook = heard(loop, main)
    ours = [event for event in hook.of("callback_run") if event[1] in handles]
    assert [event[1] for event in ours] == handles
    assert before <= ours[0][2] <= ours[0][2] + 0.02 <= ours[1][2] <= time.monotonic()


def test_hooks_hear_of_scopes_from_the_outside_in(loop: giambio.EventLoop) -> None:
    """Rule 26.13: also of those with a time limit."""
    scopes = []

    async def main() -> None:
        with giambio.CancelScope() as outer, giambio.move_on_after(10) as inner:
            scopes.extend([outer, inner])
            inner.cancel()
            await giambio.checkpoint()

    outer, inner = (event[2] for event in heard(loop, main).of("scope_entered"))
    assert [outer, inner] == scopes
    hook = heard(loop, main)
    assert [event[2] for event in hook.of("scope_left")] == scopes[:1:-1]


def test_hooks_hear_of_turns_and_all_else_is_within_one(loop: giambio.EventLoop) -> None:
    """Rule 26.13: began and ended take turns."""

    async def main() -> None:
        for _ in range(3):
            await giambio.sleep(0)

    turns_heard = [event[0] for event in heard(loop, main).of("turn_began", "turn_ended")]
    assert turns_heard[::2] == ["turn_began"] * len(turns_heard[::2])
    assert turns_heard[1::2] == ["turn_ended"] * len(turns_heard[1::2])
    assert len(turns_heard) >= 8


def test_a_method_of_the_object_itself_is_heard_as_well(loop: giambio.EventLoop) -> None:
    """Rule 26.13: whoever overrides it."""
    hook: Any = giambio.Hook()
    steps: list[Any] = []
    hook.before_step = steps.append
    loop.add_hook(hook)
    loop.start(giambio.sleep, 0)
    assert len(steps) == 2
