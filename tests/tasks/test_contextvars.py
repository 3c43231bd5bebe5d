"""Context variables: each task and each callback has a context of its own."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.kernel import turns

Run = Callable[..., Any]
var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="default")


def test_main_runs_in_a_copy_of_the_starters_context(run: Run) -> None:
    async def main() -> str:
        before = var.get()
        var.set("main's")
        await giambio.checkpoint()
        assert var.get() == "main's"
        return before

    def start() -> tuple[str, str]:
        var.set("starter's")
        return run(main), var.get()

    assert contextvars.copy_context().run(start) == ("starter's", "starter's")
    assert var.get() == "default"


def test_a_task_gets_a_copy_of_its_spawners_context_as_it_was_at_the_call(run: Run) -> None:
    """Rule 7.11: `spawn` copies the spawner's context at the call."""

    async def child() -> str:
        seen = var.get()
        var.set("child's")
        await giambio.checkpoint()
        assert var.get() == "child's"
        return seen

    async def main() -> list[str]:
        async with giambio.TaskManager() as manager:
            var.set("at the call")
            spawning = manager.spawn(child)
            var.set("after the call")
            first = await spawning
            second = manager.start_soon(child)
            var.set("after start_soon")
            await turns(3)
            assert var.get() == "after start_soon"
            return [await first, await second]

    assert run(main) == ["at the call", "after the call"]


def test_the_very_context_can_be_given(run: Run) -> None:
    """Rule 7.12: `context=` uses that very context."""

    async def child(value: str) -> str:
        seen = var.get()
        var.set(value)
        return seen

    async def main() -> tuple[str, str, str]:
        context = contextvars.Context()
        async with giambio.TaskManager() as manager:
            first = await (await manager.spawn(child, "first's", context=context))
            second = await manager.start_soon(child, "second's", context=context)
        return first, second, context[var]

    assert run(main) == ("default", "first's", "second's")


@pytest.mark.usefixtures("in_turn")
def test_two_tasks_may_share_a_context_and_take_turns_in_it(run: Run) -> None:
    async def child(value: str) -> str:
        var.set(value)
        await giambio.checkpoint()
        return var.get()

    async def main() -> list[str]:
        context = contextvars.Context()
        async with giambio.TaskManager() as manager:
            tasks = [manager.start_soon(child, name, context=context) for name in "ab"]
        return [task.result() for task in tasks]

    assert run(main) == ["b", "b"]


def test_a_context_that_is_in_use_fails_the_task_and_closes_its_coroutine(run: Run) -> None:
    """The loop itself was started in it, so no task can run in it."""

    async def child() -> None:
        raise AssertionError("must not run")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child, context=context)

    context = contextvars.copy_context()
    with pytest.raises(RuntimeError, match="cannot enter context"):
        context.run(run, main)


def test_tasks_do_not_see_each_others_values(run: Run) -> None:
    async def child(name: str) -> list[str]:
        seen = []
        for step in range(3):
            var.set(f"{name}{step}")
            await giambio.checkpoint()
            seen.append(var.get())
        return seen

    async def main() -> list[list[str]]:
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(child, name) for name in "ab"]
        return [task.result() for task in tasks]

    assert run(main) == [["a0", "a1", "a2"], ["b0", "b1", "b2"]]


def test_a_token_can_be_reset_after_an_await(run: Run) -> None:
    async def main() -> str:
        token = var.set("inside")
        await giambio.sleep(0.001)
        var.reset(token)
        return var.get()

    assert run(main) == "default"


def test_the_context_is_kept_when_an_exception_is_thrown_in(run: Run) -> None:
    async def main() -> str:
        var.set("main's")
        with giambio.move_on_after(0):
            try:
                await giambio.sleep_forever()
            finally:
                assert var.get() == "main's"
                var.set("in finally")
        return var.get()

    assert run(main) == "in finally"


def test_callbacks_and_timers_run_in_a_copy_of_the_callers_context(loop: giambio.EventLoop) -> None:
    """Rule 1.14: callbacks and timers carry a context."""
    seen: list[str] = []

    def callback() -> None:
        seen.append(var.get())
        var.set("callback's")

    async def main() -> str:
        for value, schedule in [
            ("soon", loop.call_soon),
            ("threadsafe", loop.call_soon_threadsafe),
            ("later", lambda call: loop.call_later(0, call)),
        ]:
            var.set(value)
            schedule(callback)
        var.set("main's")
        await giambio.sleep(0.01)
        return var.get()

    assert loop.start(main) == "main's"
    assert sorted(seen) == ["later", "soon", "threadsafe"]


def test_a_callback_runs_in_the_very_context_it_was_given(loop: giambio.EventLoop) -> None:
    """Rule 1.14: callbacks and timers carry a context."""
    context = contextvars.Context()

    async def main() -> None:
        loop.call_soon(var.set, "soon", context=context)
        await turns(2)
        assert context[var] == "soon"
        loop.call_later(0, var.set, "later", context=context)
        await giambio.sleep(0.01)
        assert context[var] == "later"
        thread = threading.Thread(
            target=lambda: loop.call_soon_threadsafe(var.set, "thread", context=context)
        )
        thread.start()
        thread.join()
        await turns(2)
        assert context[var] == "thread"
        assert var.get() == "default"

    loop.start(main)


@pytest.mark.parametrize("wrong", [{}, "context", 1], ids=repr)
def test_what_is_no_context_is_refused(run: Run, wrong: Any) -> None:
    async def main() -> None:
        loop = giambio.current_loop()
        for schedule in (loop.call_soon, loop.call_soon_threadsafe):
            with pytest.raises(TypeError, match=r"context= needs a contextvars.Context, not"):
                schedule(print, context=wrong)
        with pytest.raises(TypeError, match=r"context= needs a contextvars.Context, not"):
            loop.call_later(1, print, context=wrong)
        async with giambio.TaskManager() as manager:
            with pytest.raises(TypeError, match=r"context= needs a contextvars.Context, not"):
                manager.start_soon(giambio.checkpoint, context=wrong)

    run(main)
