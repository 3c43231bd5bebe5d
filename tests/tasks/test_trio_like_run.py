"""Behaviours of the run loop that only Trio's tests check.

docs/tested-like/tasks.md maps their tests to ours.
"""

from __future__ import annotations

import functools
import gc
import sys
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

import giambio
from giambio.kernel.operation import Wait
from support.kernel import ManualClock, turns

Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait: no test depends on how fast it is."""
    return functools.partial(run, clock=ManualClock())


async def is_cancelled() -> bool:
    """Whether a checkpoint raises here."""
    try:
        await giambio.checkpoint()
    except giambio.CancelledError:
        return True
    return False


async def fail_at_once(error: BaseException) -> None:
    raise error


# -- scopes -----------------------------------------------------------------------------


def test_a_cancellation_is_not_delivered_after_its_scope_was_left(run: Run) -> None:
    """Rule 5.2: until the scope is left."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.cancel_shielded_checkpoint()
        await giambio.checkpoint()
        assert scope.cancel_called
        assert not scope.cancelled_caught

    run(main)


def test_a_shield_that_goes_up_while_a_cancellation_passes_does_not_stop_it(run: Run) -> None:
    """It ends at the scope that was cancelled."""

    async def main() -> None:
        with giambio.CancelScope() as outer, giambio.CancelScope() as inner:
            outer.cancel()
            try:
                await giambio.checkpoint()
            finally:
                inner.shield = True
        assert outer.cancelled_caught
        assert not inner.cancelled_caught

    run(main)


def test_a_shield_set_before_entering_counts(run: Run) -> None:
    async def main() -> None:
        scope = giambio.CancelScope()
        scope.shield = True
        with giambio.CancelScope() as outer, scope:
            outer.cancel()
            assert not await is_cancelled()
            scope.shield = False
            assert await is_cancelled()

    run(main)


def test_a_scope_that_another_task_is_in_cannot_be_entered(run: Run) -> None:
    """Rule 6.8: scopes are single-use."""

    async def enter(scope: giambio.CancelScope) -> None:
        with scope:
            await giambio.sleep_forever()

    async def main() -> None:
        scope = giambio.CancelScope()
        async with giambio.TaskManager() as manager:
            await manager.spawn(enter, scope)
            await turns(2)
            with pytest.raises(RuntimeError, match="was used already"), scope:
                pass
            scope.cancel()

    run(main)


def test_tasks_inside_of_misnested_scopes_can_still_be_cancelled(run: Run) -> None:
    """Rule 6.9: leaving them out of order is an error, and nothing leaks."""

    async def child() -> None:
        with giambio.CancelScope():
            await giambio.sleep_forever()

    async def main() -> None:
        outer = giambio.CancelScope()
        outer.__enter__()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await turns(2)
            with pytest.raises(RuntimeError, match="leave scopes in the opposite order"):
                outer.__exit__(None, None, None)
            manager.cancel()
        assert task.cancelled()
        outer.__exit__(None, None, None)

    run(main)


def test_leaving_a_managers_scope_by_hand_is_an_error_and_the_tasks_are_joined(run: Run) -> None:
    """Rule 6.9: leaving them out of order is an error, and nothing leaks."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="belongs to a TaskManager"):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(giambio.sleep_forever)
                manager.cancel_scope.__exit__(None, None, None)
        assert task.cancelled()
        with pytest.raises(RuntimeError, match="belongs to a TaskManager"):
            giambio.TaskManager().cancel_scope.__enter__()
        await giambio.checkpoint()

    run(main)


def test_a_checkpoint_notices_a_deadline_that_passes_meanwhile(driver: str) -> None:
    """Rule 1.4: a turn runs the ready tasks, then due timers."""
    clock = ManualClock(jumps=False)

    async def main() -> None:
        with giambio.CancelScope(deadline=clock.now() + 5) as scope:
            await giambio.checkpoint()
            clock.time += 10
            await giambio.checkpoint()
            pytest.fail("not reached")
        assert scope.cancelled_caught

    giambio.run(main, clock=clock, driver=driver)


@pytest.mark.parametrize("cancel", [True, False])
def test_scopes_may_be_nested_very_deep(run: Run, cancel: bool) -> None:
    """No recursion: a chain of scopes is walked."""

    async def main() -> None:
        with ExitStack() as stack:
            outermost = stack.enter_context(giambio.CancelScope())
            for _ in range(5000):
                stack.enter_context(giambio.CancelScope())
            if cancel:
                outermost.cancel()
                await giambio.checkpoint()
        assert outermost.cancelled_caught is cancel

    run(main)


def test_managers_and_tasks_may_be_nested_deep(run: Run) -> None:
    """No recursion: cancelling walks through tasks and managers."""
    ended: list[int] = []

    async def nest(levels: int) -> None:
        try:
            async with giambio.TaskManager() as manager:
                if levels:
                    await manager.spawn(nest, levels - 1)
                else:
                    scope.cancel()
                await giambio.sleep_forever()
        finally:
            ended.append(levels)

    scope = giambio.CancelScope()

    async def main() -> None:
        with scope:
            await nest(500)
        assert ended == list(range(501))

    run(main)


def test_a_deadline_that_is_set_again_and_again_leaves_no_timers_behind(run: Run) -> None:
    """Rule 6.5: the old timers do not pile up."""

    async def main() -> None:
        now = giambio.current_time()
        with giambio.CancelScope() as scope:
            for _ in range(10_000):
                scope.deadline = now + 9998
                scope.deadline = now + 9999
            await giambio.sleep(0.01)
        assert not scope.cancel_called

    run(main)


def test_a_group_without_a_cancellation_passes_a_cancelled_scope_untouched(run: Run) -> None:
    """Rule 6.14: only cancellations are taken out of a group."""
    group = ExceptionGroup("test", [RuntimeError(1), RuntimeError(2)])

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught, giambio.CancelScope() as scope:
            scope.cancel()
            raise group
        assert caught.value is group
        assert not scope.cancelled_caught

    run(main)


# -- tasks that end inside of blocks ---------------------------------------------------------


async def note_when_ended(ended: list[str]) -> None:
    try:
        await giambio.sleep_forever()
    finally:
        ended.append("ended")


def test_a_task_that_ends_in_an_open_manager_fails_and_leaves_no_task_behind(run: Run) -> None:
    """Rule 7.25: tasks cannot leak."""
    ended: list[str] = []

    async def child(inner: giambio.TaskManager) -> None:
        await inner.__aenter__()
        await inner.spawn(note_when_ended, ended)

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"child' ended inside of <giambio.TaskManager open"):
            async with giambio.TaskManager() as outer:
                await outer.spawn(child, giambio.TaskManager())
        assert ended == ["ended"]

    run(main)


def test_a_main_task_that_ends_in_an_open_manager_fails_and_leaves_no_task_behind(
    run: Run,
) -> None:
    """Rule 7.25: tasks cannot leak."""
    ended: list[str] = []

    async def main() -> None:
        manager = await giambio.TaskManager().__aenter__()
        await manager.spawn(note_when_ended, ended)
        await turns(2)

    with pytest.raises(RuntimeError, match=r"main' ended inside of <giambio.TaskManager open"):
        run(main)
    assert ended == ["ended"]


def test_what_left_over_tasks_raise_is_not_lost(run: Run) -> None:
    """Rules 7.25, 8.10: an error of a left-over task is not lost."""

    async def breaks_down() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            raise ValueError("clean-up")

    async def leave_over() -> None:
        manager = await giambio.TaskManager().__aenter__()
        await manager.spawn(breaks_down)
        await turns(2)

    async def in_a_child() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(leave_over)

    for main in leave_over, in_a_child:
        with pytest.raises(ExceptionGroup) as caught:
            run(main)
        kinds = [type(exc) for exc in caught.value.exceptions]
        assert kinds == [RuntimeError, ValueError]


def test_a_task_that_ends_in_an_open_manager_while_it_starts(run: Run) -> None:
    """Rule 7.18: its failure comes out of `start`, not of the block."""
    ended: list[str] = []

    async def server(task_status: Any) -> None:
        inner = await giambio.TaskManager().__aenter__()
        await inner.spawn(note_when_ended, ended)
        await turns(2)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(RuntimeError, match="ended inside of"):
                await manager.start(server)

    run(main)
    assert ended == ["ended"]


def test_a_failing_task_says_which_blocks_it_has_left_open(run: Run) -> None:
    """Rule 7.26: nothing is swallowed."""

    async def child() -> None:
        giambio.CancelScope().__enter__()
        raise ValueError("x")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child)

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    (note,) = caught.value.__notes__
    assert "ended inside of <giambio.CancelScope active>" in note


def test_a_task_that_ends_in_an_open_scope_fails_and_stops_its_timer(run: Run) -> None:
    """Rule 6.12: leaving scopes in the wrong way is an error."""

    async def child(scope: giambio.CancelScope) -> None:
        scope.__enter__()

    async def main() -> None:
        scope = giambio.CancelScope(deadline=giambio.current_time() + 0.01)
        with pytest.raises(RuntimeError, match=r"ended inside of <giambio.CancelScope active>"):
            async with giambio.TaskManager() as manager:
                await manager.spawn(child, scope)
        await giambio.sleep(0.02)
        assert not scope.cancel_called

    run(main)


async def numbers_with_a_task_inside(ended: list[str]) -> AsyncIterator[int]:
    async with giambio.TaskManager() as manager:
        manager.start_soon(note_slowly_when_ended, ended)
        yield 1


async def note_slowly_when_ended(ended: list[str]) -> None:
    try:
        await giambio.sleep_forever()
    finally:
        with giambio.CancelScope(shield=True):
            await giambio.sleep(0.01)
        ended.append("ended")


def test_a_cancelled_task_with_an_unfinished_generator_is_cancelled(run: Run) -> None:
    """It is no failure, and still no task is left behind."""
    ended: list[str] = []
    generators: list[Any] = []

    async def child() -> None:
        generators.append(numbers_with_a_task_inside(ended))
        async for _ in generators[0]:
            await turns(2)
            giambio.current_task().cancel()
            await giambio.sleep_forever()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
        assert task.cancelled()
        assert ended == ["ended"]
        with pytest.raises(RuntimeError, match="was left already"):
            await generators.pop().athrow(ValueError)

    run(main)


@pytest.mark.parametrize("alone", [True, False])
def test_the_tasks_of_an_abandoned_generator_are_joined(run: Run, alone: bool) -> None:
    """Rules 7.27, 14.3: tasks cannot leak, also if the manager's block is never left."""
    ended: list[str] = []

    async def child() -> None:
        async for _ in numbers_with_a_task_inside(ended):
            await turns(2)
            break
        await turns(10)  # the generator has been closed, in another task

    async def main() -> None:
        if alone:
            await child()
            return
        async with giambio.TaskManager() as manager:
            await manager.spawn(child)
        assert ended == ["ended"]

    with pytest.warns(ResourceWarning, match=r"numbers_with_a_task_inside.*aclosing"):
        run(main)
    assert ended == ["ended"]


@pytest.mark.parametrize("cleans_up", [False, True])
def test_a_task_that_waits_is_not_told_that_its_generator_was_closed(
    run: Run, cleans_up: bool
) -> None:
    """Rules 7.27, 14.3: it has left the generator, and goes on."""
    tasks: list[Any] = []

    async def numbers() -> AsyncIterator[int]:
        async with giambio.TaskManager() as manager:
            tasks.append(manager.start_soon(giambio.sleep_forever))
            try:
                yield 1
            finally:
                if cleans_up:
                    await giambio.checkpoint()

    async def main() -> str:
        async for _ in numbers():
            break
        while not tasks[0].done():
            await giambio.sleep(0.001)
        return "unharmed"

    with pytest.warns(ResourceWarning, match=r"numbers.*aclosing"):
        assert run(main) == "unharmed"
    assert tasks[0].cancelled()


@pytest.mark.parametrize("alone", [True, False])
def test_a_failure_in_a_generator_that_was_left_is_not_lost(run: Run, alone: bool) -> None:
    """Rules 6.12, 8.10: the failed manager cancels its task, but never caught that."""

    async def fails() -> None:
        raise ValueError("in the generator")

    async def numbers() -> AsyncIterator[int]:
        async with giambio.TaskManager() as manager:
            manager.start_soon(fails)
            yield 1

    async def leave_it() -> None:
        generator = numbers()
        async for _ in generator:
            break
        await giambio.sleep_forever()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(leave_it)

    with pytest.raises(ExceptionGroup) as caught:
        run(leave_it if alone else main)
    problems = {type(problem): str(problem) for problem in caught.value.exceptions}
    assert problems.keys() == {RuntimeError, ValueError}
    assert "was cancelled inside of <giambio.TaskManager open" in problems[RuntimeError]
    assert problems[ValueError] == "in the generator"


def test_a_deadline_in_a_generator_that_was_left_is_named(run: Run) -> None:
    """Rule 6.12: the cancellation of a scope that was never left is no end of a task."""

    async def numbers() -> AsyncIterator[int]:
        with giambio.fail_after(0.01):
            yield 1

    async def main() -> None:
        generator = numbers()
        async for _ in generator:
            break
        await giambio.sleep_forever()

    with pytest.raises(RuntimeError, match=r"was cancelled inside of <giambio.CancelScope"):
        run(main)


@asynccontextmanager
async def with_a_task_inside(ended: list[str]) -> AsyncIterator[None]:
    async with giambio.TaskManager() as manager:
        manager.start_soon(note_when_ended, ended)
        yield


def test_a_manager_that_is_carried_out_of_its_task_is_an_error(run: Run) -> None:
    """Rule 6.11: leaving in another task is an error."""
    ended: list[str] = []

    async def main() -> None:
        async with AsyncExitStack() as stack, giambio.TaskManager() as manager:
            manager.start_soon(stack.enter_async_context, with_a_task_inside(ended))

    with pytest.raises(RuntimeError, match="was left already") as caught:
        run(main)
    assert "ended inside of <giambio.TaskManager open" in str(caught.value.__context__)
    assert ended == ["ended"]


# -- what Python keeps per coroutine ---------------------------------------------------------


def test_each_task_handles_its_own_exception(run: Run) -> None:
    """`sys.exc_info()` is kept apart as tasks take turns."""

    async def handle(error: Exception) -> None:
        assert sys.exc_info() == (None, None, None)
        with pytest.raises(type(error)) as caught:
            try:
                raise error
            except type(error):
                await turns(3)
                assert sys.exc_info()[1] is error
                raise
        assert caught.value.__context__ is None

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for error in (ValueError("one"), KeyError("two"), OSError("three")):
                await manager.spawn(handle, error)
                await giambio.checkpoint()

    run(main)


def test_an_error_thrown_in_and_suppressed_leaves_the_handled_one(run: Run) -> None:
    """Rule 8.18: `__context__` right."""

    async def child(wait: Wait) -> None:
        try:
            raise KeyError("handled")
        except KeyError:
            with suppress(ValueError):
                await wait
            raise

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            wait = Wait()
            await manager.spawn(child, wait)
            await turns(2)
            wait.wake_error(ValueError("thrown in"))

    with pytest.raises(KeyError, match="handled") as caught:
        run(main)
    assert caught.value.__context__ is None


def test_an_error_thrown_in_gets_the_handled_one_as_context(run: Run) -> None:
    """Rule 8.18: `__context__` right."""

    async def child(wait: Wait) -> None:
        try:
            raise KeyError("handled")
        except KeyError:
            await wait

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            wait = Wait()
            await manager.spawn(child, wait)
            await turns(2)
            wait.wake_error(ValueError("thrown in"))

    with pytest.raises(ValueError, match="thrown in") as caught:
        run(main)
    assert isinstance(caught.value.__context__, KeyError)


def test_a_group_of_body_and_child_has_no_context(run: Run) -> None:
    """Rule 8.18: `__context__` right."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail_at_once, KeyError("child"))
            raise ValueError("body")

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert caught.value.__context__ is None
    for error in caught.value.exceptions:
        assert error.__context__ is None


def test_stop_iteration_of_the_body_is_a_failure_as_any(run: Run) -> None:
    """It means something else to Python's awaits."""

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with giambio.TaskManager() as manager:
                await manager.spawn(fail_at_once, ValueError("child"))
                raise StopIteration
        assert {type(exc) for exc in caught.value.exceptions} == {StopIteration, ValueError}

    run(main)


def test_stop_async_iteration_of_a_child_ends_an_async_for(run: Run) -> None:
    """Rule 8.3: one failure leaves the block as itself."""

    class Zip:
        """Steps several async iterators at once."""

        def __init__(self, *iterators: Any) -> None:
            self.iterators = iterators

        def __aiter__(self) -> Zip:
            return self

        async def __anext__(self) -> list[Any]:
            async with giambio.TaskManager() as manager:
                tasks = [manager.start_soon(one.__anext__) for one in self.iterators]
            return [task.result() for task in tasks]

    async def count(n: int) -> AsyncIterator[int]:
        for i in range(n):
            await giambio.checkpoint()
            yield i

    async def main() -> list[list[int]]:
        long = count(4)
        zipped = [values async for values in Zip(long, count(2))]
        await long.aclose()  # type: ignore[attr-defined]
        return zipped

    assert run(main) == [[0, 0], [1, 1]]


def test_an_async_function_written_in_c_can_be_run_and_spawned(run: Run) -> None:
    """Rule 7.10: what is accepted is judged by what the call returned."""

    async def numbers() -> AsyncIterator[int]:
        await giambio.checkpoint()
        yield 1

    assert run(numbers().__anext__) == 1

    async def main() -> None:
        generator: Any = numbers()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(generator.__anext__)
        assert task.result() == 1
        await generator.aclose()

    run(main)


def test_a_foreign_await_in_the_body_cancels_the_children(run: Run) -> None:
    """Rule 3.2: a `TypeError` that names the foreign object at that `await`."""

    class Foreign:
        def __await__(self) -> Iterator[str]:
            yield "not giambio's"

    async def main() -> None:
        with pytest.raises(TypeError, match="not giambio's"):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(giambio.sleep_forever)
                await Foreign()
        assert task.cancelled()

    run(main)


# -- strictness ---------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [True, False, None])
def test_a_nested_failure_is_grouped_as_the_inner_manager_says(
    run: Run, strict: bool | None
) -> None:
    """Rule 8.9: `strict`."""

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with giambio.TaskManager() as outer:
                outer.start_soon(giambio.sleep_forever)
                outer.start_soon(fail_at_once, RuntimeError("outer"))
                async with giambio.TaskManager(strict=strict) as inner:
                    inner.start_soon(giambio.sleep_forever)
                    inner.start_soon(fail_at_once, RuntimeError("inner"))
        kinds = sorted(type(exc).__name__ for exc in caught.value.exceptions)
        inner_kind = "ExceptionGroup" if strict else "RuntimeError"
        assert kinds == sorted([inner_kind, "RuntimeError"])

    run(main)


@pytest.mark.parametrize("manager_strict", [True, False, None])
@pytest.mark.parametrize("run_strict", [True, False])
@pytest.mark.parametrize("after_started", [True, False])
def test_a_failure_out_of_start_is_not_grouped_by_start(
    run: Run, run_strict: bool, manager_strict: bool | None, after_started: bool
) -> None:
    """Rule 7.18: its failure comes out of `start`, as it is."""
    error = ValueError("x")

    async def server(task_status: Any) -> None:
        if after_started:
            task_status.started()
        raise error

    async def main() -> None:
        async with giambio.TaskManager(strict=manager_strict) as manager:
            await manager.start(server)

    with pytest.raises((ValueError, ExceptionGroup)) as caught:
        run(main, strict=run_strict)
    strict = run_strict if manager_strict is None else manager_strict
    raised = caught.value.exceptions[0] if strict else caught.value  # type: ignore[union-attr]
    assert raised is error


def test_a_failure_out_of_start_keeps_its_cause_and_context(run: Run) -> None:
    """Rule 8.18: `__context__` and `__cause__` right."""

    async def server(task_status: Any) -> None:
        error = ValueError("x")
        error.__cause__ = SyntaxError("cause")
        error.__context__ = TypeError("context")
        raise error

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.start(server)

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert isinstance(caught.value.__cause__, SyntaxError)
    assert isinstance(caught.value.__context__, TypeError)


# -- garbage ------------------------------------------------------------------------------


@pytest.fixture
def garbage_is_kept() -> Iterator[None]:
    """What becomes garbage shows in `gc.garbage`."""
    gc.collect()
    flags = gc.get_debug()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
    finally:
        gc.set_debug(flags)
        gc.garbage.clear()


async def crash() -> None:
    await giambio.checkpoint()
    raise ValueError("x")  # held by nobody: a frame that holds its own error is a cycle


async def cancel_a_scope() -> None:
    with giambio.CancelScope() as scope:
        scope.cancel()
        await giambio.sleep_forever()


async def fail_in_a_block() -> None:
    with suppress(ValueError):
        async with giambio.TaskManager() as manager:
            await manager.spawn(crash)


async def fail_in_a_cancelled_block() -> None:
    with suppress(ValueError), giambio.CancelScope() as scope:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.sleep_forever)
            await manager.spawn(crash)
            scope.cancel()


async def cancel_a_block() -> None:
    async with giambio.TaskManager() as manager:
        manager.cancel()


async def time_out() -> None:
    with suppress(TimeoutError), giambio.fail_after(0.001):
        await giambio.sleep_forever()


async def fail_in_gather() -> None:
    with suppress(ValueError):
        await giambio.gather(crash(), giambio.sleep_forever)


@pytest.mark.usefixtures("garbage_is_kept")
def test_ordinary_use_makes_no_cyclic_garbage(loop: giambio.EventLoop) -> None:
    """Rule 8.19: no reference cycle that keeps a frame alive after an error."""

    async def main() -> None:
        for use in (
            cancel_a_scope,
            fail_in_a_block,
            fail_in_a_cancelled_block,
            cancel_a_block,
            time_out,
            fail_in_gather,
        ):
            await use()
            await giambio.checkpoint()
            gc.collect()
            assert gc.garbage == [], use.__name__

    # Without pytest's frames around it, which are garbage of their own.
    task = loop.begin(main)
    while not task.done():
        loop.turn()
    loop.end()


@pytest.mark.usefixtures("no_collector")
def test_a_managers_end_frees_it_at_once(run: Run) -> None:
    """Rule 7.24: a manager keeps nothing, and nothing keeps it."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.cancel()
        reference = weakref.ref(manager)
        del manager
        assert reference() is None

    run(main)


@pytest.mark.usefixtures("no_collector")
def test_the_locals_of_a_cancelled_task_are_freed_with_it(run: Run) -> None:
    """Rule 8.19: no reference cycle that keeps a frame alive."""
    freed: list[str] = []

    class Local:
        pass

    async def child() -> None:
        local = Local()
        weakref.finalize(local, freed.append, "freed")
        await giambio.checkpoint()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(child)
            manager.cancel()
        assert freed == ["freed"]

    run(main)


def test_nothing_warns_when_a_coroutine_is_refused_in_a_left_manager(run: Run) -> None:
    """Rules 7.9, 19.2: the refused coroutine is closed."""

    async def must_not_run() -> None:
        raise AssertionError("must not run")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            pass
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(giambio.RunFinishedError):
                manager.start_soon(must_not_run())
            gc.collect()

    run(main)


# -- who belongs to whom ---------------------------------------------------------------------


def test_the_main_task_is_the_root_of_all(run: Run) -> None:
    """Rule 7.21: a task has a root and a parent."""

    async def grandchild() -> None:
        task = giambio.current_task()
        assert task.parent is not None
        assert task.parent.parent is task.root

    async def child() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(grandchild)

    async def main() -> None:
        main_task = giambio.current_task()
        assert main_task.root is main_task
        assert main_task.parent is None
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            assert task.root is main_task
        assert task.parent is None

    run(main)


def test_the_parent_of_a_starting_task_is_the_one_that_waits_for_it(run: Run) -> None:
    """Rule 7.21: the starter until `started()`, then the manager's host."""
    parents = []

    async def server(task_status: Any) -> None:
        task = giambio.current_task()
        parents.append(task.parent)
        task_status.started()
        parents.append(task.parent)

    async def starter(manager: giambio.TaskManager) -> None:
        await manager.start(server)

    async def main() -> None:
        async with giambio.TaskManager() as host_manager, giambio.TaskManager() as manager:
            waiter = await manager.spawn(starter, host_manager)
        assert parents == [waiter, giambio.current_task()]

    run(main)
