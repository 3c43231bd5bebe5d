"""`spawn` and `start_soon`: valid targets, rejected ones, and the coroutines of those."""

from __future__ import annotations

import contextvars
import functools
import gc
import socket
import sys
import types
import warnings
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest

import giambio
from support.sync import settled

Run = Callable[..., Any]


async def add(a: int, b: int = 1) -> int:
    await giambio.checkpoint()
    return a + b


class Adder:
    async def method(self, a: int) -> int:
        return await add(a, 10)

    async def __call__(self, a: int) -> int:
        return await add(a, 20)

    @staticmethod
    async def static(a: int) -> int:
        return await add(a, 30)


class Awaited:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Generator[Any, Any, int]:
        yield from giambio.checkpoint().__await__()
        return 7


@types.coroutine
def old_style(a: int) -> Generator[Any, Any, int]:
    yield from giambio.checkpoint().__await__()
    return a + 2


def not_async(a: int = 0) -> int:
    return a


def is_closed(coro: Any) -> bool:
    """Tell whether a coroutine was closed (it is then collected without a warning)."""
    return coro.cr_frame is None


async def greet(name: str) -> str:
    return f"hello, {name}"


@pytest.fixture(params=["spawn", "start_soon"])
def spawn(request: pytest.FixtureRequest) -> Callable[..., Awaitable[giambio.Task[Any]]]:
    """Spawns in a manager, in both ways."""

    async def spawn(manager: giambio.TaskManager, *args: Any, **options: Any) -> giambio.Task[Any]:
        if request.param == "spawn":
            return await manager.spawn(*args, **options)
        return manager.start_soon(*args, **options)

    return spawn


Spawn = Callable[..., Awaitable[giambio.Task[Any]]]


@pytest.mark.parametrize(
    ("make", "result"),
    [
        pytest.param(lambda: (add(1),), 2, id="coroutine"),
        pytest.param(lambda: (add, 1), 2, id="function"),
        pytest.param(lambda: (add, 1, 5), 6, id="function and arguments"),
        pytest.param(lambda: (functools.partial(add, 1, b=3),), 4, id="partial"),
        pytest.param(lambda: (functools.partial(add, b=3), 2), 5, id="partial and argument"),
        pytest.param(lambda: (Adder().method, 1), 11, id="bound method"),
        pytest.param(lambda: (Adder(), 1), 21, id="callable object"),
        pytest.param(lambda: (Adder.static, 1), 31, id="static method"),
        pytest.param(lambda: (lambda: add(4),), 5, id="lambda"),
        pytest.param(lambda: (Awaited(),), 7, id="awaitable"),
        pytest.param(lambda: (Awaited,), 7, id="class of awaitables"),
        pytest.param(lambda: (old_style(3),), 5, id="generator-based coroutine"),
        pytest.param(lambda: (old_style, 3), 5, id="generator-based function"),
        pytest.param(lambda: (giambio.sleep(0),), None, id="operation"),
        pytest.param(lambda: (giambio.sleep, 0), None, id="function that makes an operation"),
    ],
)
def test_what_is_accepted(
    run: Run, spawn: Spawn, make: Callable[[], tuple[Any, ...]], result: object
) -> None:
    """Rule 7.10: what is accepted is judged by what the call returned."""

    async def main() -> object:
        async with giambio.TaskManager() as manager:
            task = await spawn(manager, *make())
        return task.result()

    assert run(main) == result


def test_keywords_are_passed_on(run: Run, spawn: Spawn) -> None:
    """Rule 7.29: to the function, whatever their names; also where a coroutine is made of it."""

    async def child(target: int, *, self: int) -> int:
        return target + self

    async def main() -> list[object]:
        async with giambio.TaskManager() as manager:
            tasks = [
                await spawn(manager, child, 1, self=2),
                await spawn(manager, child, target=3, self=4),
                await spawn(manager, giambio.sleep, seconds=0),
                await spawn(manager, functools.partial(add, 1), b=10),
            ]
        assert tasks[2].name.endswith(".sleep")
        return [task.result() for task in tasks]

    assert run(main) == [3, 7, None, 11]


def test_an_unknown_keyword_is_the_functions_to_refuse(run: Run, spawn: Spawn) -> None:
    """Rule 7.29: also beside an awaitable, which has its arguments already."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(TypeError, match="unexpected keyword argument 'nmae'"):
                await spawn(manager, add, 1, nmae="adder")
            coro = add(1)
            with pytest.raises(TypeError, match="got arguments beside an awaitable"):
                await spawn(manager, coro, nmae="adder")
            assert is_closed(coro)

    run(main)


@pytest.mark.parametrize(
    ("keyword", "value"), [("name", "n"), ("context", contextvars.copy_context())]
)
def test_a_keyword_that_could_be_both_is_an_error(
    run: Run, spawn: Spawn, keyword: str, value: object
) -> None:
    """Rule 7.30: the message says how to write what was meant, and that works."""

    async def child(name: object = 0, context: object = 0) -> tuple[object, object]:
        return name, context

    async def anything(**keywords: object) -> object:
        return keywords

    async def main() -> None:
        ours: dict[str, Any] = {keyword: value}
        async with giambio.TaskManager() as manager:
            for function in (child, anything):
                with pytest.raises(TypeError, match=rf"{keyword}= is the task's, but .* could"):
                    await spawn(manager, function, **ours)
            for function in (child, anything):
                task = await spawn(manager, functools.partial(function, **ours))
                assert value in (await task if function is child else (await task).values())
                task = await spawn(manager, function(), **ours)
                assert value not in ((await task) if function is child else (await task).values())

    run(main)


@pytest.mark.parametrize(("keyword", "value"), [("name", "n"), ("context", contextvars.Context())])
def test_a_keyword_that_the_function_has_got_already_is_the_tasks(
    run: Run, spawn: Spawn, keyword: str, value: object
) -> None:
    """Rule 7.30: by position or in a partial, also where `**keywords` would take anything."""

    async def named(name: object = None, context: object = None) -> object:
        return name or context

    async def anything(**keywords: object) -> object:
        return keywords[keyword]

    async def main() -> None:
        ours: dict[str, Any] = {keyword: value}
        async with giambio.TaskManager() as manager:
            for function in (named, anything):
                bound = functools.partial(function, **{keyword: "the function's"})
                task = await spawn(manager, bound, **ours)
                assert await task == "the function's"
                assert keyword != "name" or task.name == "n"
            task = await spawn(manager, named, "first", "second", **ours)
            assert await task == "first"
            with pytest.raises(TypeError, match="takes from 0 to 2 positional arguments"):
                await spawn(manager, named, 1, 2, 3, **ours)

    run(main)


def test_the_message_about_a_keyword_that_could_be_both(run: Run) -> None:
    """Rule 7.30."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(TypeError) as caught:
                manager.spawn(greet, name="n")
        assert str(caught.value) == (
            "spawn(): name= is the task's, but greet() could take it too; "
            "write spawn(greet(name=...)) or functools.partial(greet, name=...) if it is for "
            "the function, and spawn(greet(), name=...) if it is for the task"
        )

    run(main)


@pytest.mark.parametrize("function", [print, int, "".join, functools.partial(int, base=2)])
def test_a_function_whose_signature_is_unknown_leaves_the_name_to_the_task(
    run: Run, spawn: Spawn, function: Any
) -> None:
    """Rule 7.30: signatures that cannot be read, or have no such keyword, are no problem."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(TypeError, match="cannot be awaited"):
                await spawn(manager, function, *(["1"] if function is not print else []), name="n")

    run(main)


def test_a_method_of_a_socket_is_accepted(run: Run, spawn: Spawn) -> None:
    """Rule 7.10: any callable that returned an awaitable (`sock.send_all`)."""

    async def main() -> bytes:
        left, right = map(giambio.wrap_socket, socket.socketpair())
        with left, right:
            async with giambio.TaskManager() as manager:
                await spawn(manager, left.send_all, b"hello")
                return (await (await spawn(manager, right.receive, 100))) + b"!"

    assert run(main) == b"hello!"


def test_a_task_can_be_spawned_to_be_awaited_elsewhere(run: Run, spawn: Spawn) -> None:
    """A `Task` is an awaitable as well."""

    async def main() -> int:
        async with giambio.TaskManager() as manager:
            first = await spawn(manager, add, 1)
            second = await spawn(manager, first)
            assert second is not first
            return await second

    assert run(main) == 2


@pytest.mark.parametrize("value", [None, 5, "fetch", [], object])
def test_what_cannot_be_awaited_is_refused(run: Run, spawn: Spawn, value: Any) -> None:
    """Rules 7.10, 19.1: the error names the object."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(TypeError, match="needs an async function or an awaitable"):
                await spawn(manager, value)
            assert len(manager._children) == 0

    run(main)


def test_a_sync_function_is_refused_with_advice(run: Run, spawn: Spawn) -> None:
    """Rule 19.4: `manager.spawn(fetch)` on a sync function."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            expected = r"not_async\(\) returned 3, which cannot be awaited; .* `async def`"
            with pytest.raises(TypeError, match=expected):
                await spawn(manager, not_async, 3)

    run(main)


def test_an_async_generator_is_refused(run: Run, spawn: Spawn) -> None:
    async def numbers() -> Any:
        yield 1

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(TypeError, match="cannot be awaited"):
                await spawn(manager, numbers)
            with pytest.raises(TypeError, match="needs an async function or an awaitable"):
                await spawn(manager, numbers())

    run(main)


def test_what_the_call_raises_comes_out_of_spawn(run: Run, spawn: Spawn) -> None:
    def broken() -> Awaitable[None]:
        raise KeyError("in the call")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(KeyError, match="in the call"):
                await spawn(manager, broken)
            with pytest.raises(TypeError, match="missing 1 required positional argument"):
                await spawn(manager, add)

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_a_running_coroutine_is_refused(run: Run, spawn: Spawn) -> None:
    """Rule 19.1: a coroutine that runs already."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            coro = add(1)
            task = await spawn(manager, coro)
            await giambio.checkpoint()
            with pytest.raises(RuntimeError, match="coroutine add is already running"):
                await spawn(manager, coro)
            assert await task == 2

    run(main)


def test_a_coroutine_cannot_spawn_itself(run: Run, spawn: Spawn) -> None:
    """Rule 19.1: a coroutine that runs already."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:

            async def child() -> None:
                with pytest.raises(RuntimeError, match="is already running"):
                    await spawn(manager, coro)

            coro = child()
            await spawn(manager, coro)

    run(main)


def test_a_finished_coroutine_is_refused(run: Run, spawn: Spawn) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            coro = add(1)
            await coro
            with pytest.raises(RuntimeError, match="coroutine add has ended and cannot run again"):
                await spawn(manager, coro)

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_a_coroutine_that_waits_for_its_first_step_cannot_be_two_tasks(
    run: Run, spawn: Spawn
) -> None:
    """Rule 19.1: a coroutine that is about to run."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            coro = add(1)
            await spawn(manager, coro)
            await spawn(manager, coro)

    with pytest.raises(RuntimeError, match=r"already|running"):
        run(main)


def test_arguments_beside_a_coroutine_are_refused_and_it_is_closed(run: Run, spawn: Spawn) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            coro = add(1)
            with pytest.raises(TypeError, match="got arguments beside an awaitable"):
                await spawn(manager, coro, 5)
            assert is_closed(coro)

    run(main)


@pytest.mark.parametrize("name", [3, b"worker", add])
def test_a_name_that_is_no_string_is_refused_and_the_coroutine_closed(
    run: Run, spawn: Spawn, name: Any
) -> None:
    """Rule 19.2: the coroutine is closed."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            coro = add(1)
            with pytest.raises(TypeError, match=r"name= needs a string, not"):
                await spawn(manager, coro, name=name)
            assert is_closed(coro)

    run(main)


def test_a_wrong_context_is_refused_and_the_coroutine_closed(run: Run, spawn: Spawn) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            coro = add(1)
            with pytest.raises(TypeError, match=r"context= needs a contextvars.Context, not 5"):
                await spawn(manager, coro, context=5)
            assert is_closed(coro)

    run(main)


def test_before_the_block_was_entered(run: Run, spawn: Spawn) -> None:
    """Rule 7.9: spawning before the block was entered closes the coroutine."""

    async def main() -> None:
        coro = add(1)
        with pytest.raises(RuntimeError, match="was not entered yet; spawn inside of"):
            await spawn(giambio.TaskManager(), coro)
        assert is_closed(coro)

    run(main)


def test_after_the_block_was_left(run: Run, spawn: Spawn) -> None:
    """Rule 7.9: spawning after it was left closes the coroutine."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            pass
        coro = add(1)
        with pytest.raises(giambio.RunFinishedError, match="block was left already"):
            await spawn(manager, coro)
        assert is_closed(coro)

    run(main)


def test_after_the_loop_has_ended() -> None:
    async def main() -> giambio.TaskManager:
        async with giambio.TaskManager() as manager:
            return manager

    manager = giambio.run(main)
    coro = add(1)
    with pytest.raises(giambio.RunFinishedError):
        manager.start_soon(coro)
    assert is_closed(coro)


def test_an_operation_that_is_refused_does_not_warn_as_well(run: Run, spawn: Spawn) -> None:
    """Rules 7.9, 19.2: the refused operation does not warn as well."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="not entered"):
            await spawn(giambio.TaskManager(), giambio.sleep(1))
        gc.collect()

    run(main)


def test_spawning_in_a_task_of_another_loop_is_an_error(run: Run) -> None:
    async def other(manager: giambio.TaskManager, coro: Any) -> None:
        with pytest.raises(RuntimeError, match="belongs to another loop"):
            await manager.spawn(coro)

    async def main() -> None:
        import threading

        coro = add(1)
        async with giambio.TaskManager() as manager:
            thread = threading.Thread(target=giambio.run, args=(other, manager, coro))
            thread.start()
            thread.join()
        coro.close()

    run(main)


def test_spawn_outside_of_a_task_says_so() -> None:
    async def main() -> giambio.TaskManager:
        async with giambio.TaskManager() as manager:
            return manager

    manager = giambio.run(main)

    async def outside(coro: Any) -> None:
        await manager.spawn(coro)

    inner = add(1)
    coro = outside(inner)
    with pytest.raises(RuntimeError, match=r"spawn\(\) must be awaited in a giambio task"):
        coro.send(None)
    inner.close()


def test_a_forgotten_spawn_warns_and_closes_what_it_was_given(run: Run) -> None:
    """Rule 7.5: forgotten, it warns like any coroutine and closes."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            coro = add(1)
            with pytest.warns(RuntimeWarning, match=r"TaskManager.spawn\(\) was never awaited"):
                manager.spawn(coro)
            assert is_closed(coro)
            assert len(manager._children) == 0

    run(main)


def test_a_forgotten_spawn_of_an_operation_warns_once(run: Run) -> None:
    """Rule 7.5: forgotten, it closes what it was given."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                manager.spawn(giambio.sleep(1))
            assert [str(warning.message) for warning in caught] == [
                "TaskManager.spawn() was never awaited"
            ]

    run(main)


def test_a_forgotten_spawn_does_not_call_the_function(run: Run) -> None:
    """Rule 7.5: `spawn` does its work when awaited."""

    async def main() -> None:
        calls = []

        def function() -> Awaitable[int]:
            calls.append(1)
            return add(1)

        async with giambio.TaskManager() as manager:
            operation = manager.spawn(function)
            assert calls == []
            await operation
            assert calls == [1]

    run(main)


def test_a_cancelled_spawn_spawns_nothing_and_closes(run: Run) -> None:
    """Rule 7.6: nothing is spawned, and the coroutine is closed."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            coro = add(1)
            with giambio.CancelScope() as scope:
                scope.cancel()
                await manager.spawn(coro)
            assert scope.cancelled_caught
            assert is_closed(coro)
            assert len(manager._children) == 0

    run(main)


def test_a_cancelled_spawn_of_an_operation_does_not_warn(run: Run) -> None:
    """Rule 7.6: cancelled, it closes what it was given."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with giambio.CancelScope() as scope:
                scope.cancel()
                await manager.spawn(giambio.sleep(1))
            gc.collect()

    run(main)


def test_start_soon_spawns_in_a_cancelled_scope(run: Run) -> None:
    """Rule 7.7: `start_soon` enqueues at once; it is no checkpoint."""

    async def main() -> int:
        async with giambio.TaskManager() as manager:
            with giambio.CancelScope() as scope:
                scope.cancel()
                task = manager.start_soon(add, 1)
        return task.result()

    assert run(main) == 2


def test_start_soon_works_in_a_plain_callback(run: Run) -> None:
    async def main() -> int:
        async with giambio.TaskManager() as manager:
            tasks: list[giambio.Task[int]] = []
            giambio.current_loop().call_soon(lambda: tasks.append(manager.start_soon(add, 1)))
            await giambio.checkpoint()
        return tasks[0].result()

    assert run(main) == 2


@pytest.mark.usefixtures("in_turn")
def test_start_soon_enqueues_at_once(run: Run) -> None:
    """Rule 7.7: `start_soon` enqueues at once."""

    async def main() -> None:
        order: list[str] = []

        async def child() -> None:
            order.append("child")

        async with giambio.TaskManager() as manager:
            manager.start_soon(child)
            giambio.current_loop().call_soon(order.append, "callback")
            await giambio.checkpoint()
            assert order == ["child", "callback"]

    run(main)


def test_a_spawn_is_awaited_once(run: Run) -> None:
    """Rule 3.12: awaiting it twice is an error."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            operation = manager.spawn(add, 1)
            await operation
            with pytest.raises(RuntimeError, match=r"spawn\(\) was awaited already"):
                await operation

    run(main)


# -- the context ----------------------------------------------------------------------

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


async def read() -> str:
    return variable.get()


def test_the_context_is_copied_at_the_call(run: Run) -> None:
    """Rule 7.11: `spawn` copies the spawner's context at the call."""

    async def main() -> str:
        async with giambio.TaskManager() as manager:
            variable.set("at the call")
            operation = manager.spawn(read)
            variable.set("at the await")
            return await (await operation)

    assert run(main) == "at the call"


def test_a_child_does_not_change_its_spawners_context(run: Run, spawn: Spawn) -> None:
    async def change() -> None:
        variable.set("child")

    async def main() -> str:
        variable.set("parent")
        async with giambio.TaskManager() as manager:
            await (await spawn(manager, change))
        return variable.get()

    assert run(main) == "parent"


def test_context_uses_that_very_context(run: Run, spawn: Spawn) -> None:
    """Rule 7.12: `context=` uses that very context."""

    async def change() -> str:
        before = variable.get()
        variable.set("child")
        return before

    async def main() -> str:
        context = contextvars.copy_context()
        context.run(variable.set, "given")
        async with giambio.TaskManager() as manager:
            task = await spawn(manager, change, context=context)
        assert context[variable] == "child"
        return task.result()

    assert run(main) == "given"


def test_the_function_is_called_in_the_context_it_will_run_in(run: Run, spawn: Spawn) -> None:
    """What a sync function sets before it returns its coroutine is the spawner's business."""

    def function() -> Awaitable[str]:
        return read()

    async def main() -> str:
        context = contextvars.copy_context()
        context.run(variable.set, "given")
        async with giambio.TaskManager() as manager:
            return await (await spawn(manager, function, context=context))

    assert run(main) == "given"


# -- the name ---------------------------------------------------------------------------


def test_the_name_is_the_one_given(run: Run, spawn: Spawn) -> None:
    async def main() -> str:
        async with giambio.TaskManager() as manager:
            return (await spawn(manager, add, 1, name="an addition")).name

    assert run(main) == "an addition"


def test_the_name_is_the_functions_full_name(run: Run, spawn: Spawn) -> None:
    async def main() -> list[str]:
        async with giambio.TaskManager() as manager:
            tasks = [
                await spawn(manager, add, 1),
                await spawn(manager, add(1)),
                await spawn(manager, functools.partial(add, 1)),
                await spawn(manager, Adder().method, 1),
            ]
            early = [task.name for task in tasks]
        late = [task.name for task in tasks]
        assert early == late
        return late

    assert run(main) == [f"{__name__}.{name}" for name in ["add", "add", "add", "Adder.method"]]


def test_the_name_is_known_after_the_end_as_well(run: Run, spawn: Spawn) -> None:
    async def main() -> str:
        async with giambio.TaskManager() as manager:
            task = await spawn(manager, add, 1)
        return task.name

    assert run(main) == f"{__name__}.add"


def test_the_name_of_what_is_no_coroutine_is_not_the_runtimes(run: Run, spawn: Spawn) -> None:
    """A task around an operation is named after what the user gave."""

    async def main() -> list[str]:
        async with giambio.TaskManager() as manager:
            return [
                (await spawn(manager, giambio.sleep, 0)).name,
                (await spawn(manager, Awaited())).name,
                (await spawn(manager, Awaited)).name,
            ]

    names = run(main)
    assert names == ["giambio.sleep"] + [f"{__name__}.Awaited"] * 2


def test_a_function_of_the_users_names_the_operation_that_it_returns(
    run: Run, spawn: Spawn
) -> None:
    def nap() -> Awaitable[None]:
        return giambio.sleep(0)

    async def main() -> list[str]:
        async with giambio.TaskManager() as manager:
            tasks = [
                await spawn(manager, nap),
                await spawn(manager, giambio.sleep(0)),
                await spawn(manager, giambio.Event().wait),
            ]
            early = [task.name for task in tasks]
            manager.cancel()
        assert early == [task.name for task in tasks]
        return early

    nap_name = f"{__name__}.{nap.__qualname__}"
    assert run(main) == [nap_name, "giambio.sleep", "giambio.Event.wait"]


def test_a_task_lets_go_of_an_operation_when_it_ends(run: Run, spawn: Spawn) -> None:
    """Rule 3.15: it lets go of the operation."""

    async def main() -> None:
        event = giambio.Event()
        reference = weakref.ref(event)
        async with giambio.TaskManager() as manager:
            task = await spawn(manager, event.wait)
            assert task._coro is not None
            await giambio.checkpoint()
            event.set()
        del event
        assert reference() is None
        assert task._coro is None
        assert task.name == "giambio.Event.wait"

    run(main)


def test_a_task_lets_go_of_an_operation_when_its_loop_is_interrupted(
    run: Run, spawn: Spawn
) -> None:
    """Rule 3.15: it lets go of the operation."""
    tasks: list[giambio.Task[Any]] = []
    references: list[weakref.ref[giambio.Event]] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for begun in (True, False):
                event = giambio.Event()
                references.append(weakref.ref(event))
                tasks.append(await spawn(manager, event.wait))
                if begun:
                    await giambio.checkpoint()
            del event
            giambio.current_loop()._stop_between_steps(KeyboardInterrupt())
            await giambio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert [reference() for reference in references] == [None, None]
    assert [task._coro for task in tasks] == [None, None]
    assert {task.name for task in tasks} == {"giambio.Event.wait"}


def test_an_operation_that_was_awaited_is_refused(run: Run, spawn: Spawn) -> None:
    async def main() -> None:
        nap = giambio.sleep(0)
        await nap
        async with giambio.TaskManager() as manager:
            with pytest.raises(RuntimeError, match=r"this sleep\(\) was awaited already"):
                await spawn(manager, nap)

    run(main)


def test_an_operation_that_runs_as_a_task_can_fail(run: Run, spawn: Spawn) -> None:
    """Rules 3.15, 8.17: its error has no frame of the runtime's, and none of the user's."""

    async def main() -> BaseException | None:
        ours, theirs = socket.socketpair()
        sock = giambio.wrap_socket(ours)
        with theirs:
            async with giambio.TaskManager() as manager:
                task = await spawn(manager, sock.receive)
                await giambio.checkpoint()
                sock.close_now()
                with pytest.raises(giambio.ClosedResourceError):
                    await task
                manager.cancel()
        return task.exception()

    with pytest.raises(giambio.ClosedResourceError, match="this socket is closed"):
        run(main)


@pytest.mark.parametrize("begun", [True, False])
def test_an_operation_that_runs_as_a_task_can_be_cancelled(
    run: Run, spawn: Spawn, begun: bool
) -> None:
    """Rule 3.15: such a task can be cancelled."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await spawn(manager, giambio.sleep_forever)
            if begun:
                await giambio.checkpoint()
            assert task.cancel("enough")
        assert task.cancelled()

    run(main)


# -- the limit ----------------------------------------------------------------------------


def test_limit_counts_running_children(run: Run) -> None:
    """Rule 7.13: `limit=n` counts running children."""

    async def main() -> int:
        running = peak = 0

        async def child() -> None:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            for _ in range(3):
                await giambio.checkpoint()
            running -= 1

        async with giambio.TaskManager(limit=3) as manager:
            for _ in range(20):
                await manager.spawn(child)
                assert len(manager._children) <= 3
        return peak

    assert run(main) == 3


@pytest.mark.usefixtures("in_turn")
def test_limit_is_first_come_first_served(run: Run) -> None:
    """Rule 7.13: `spawn` waits for a place, first come first served."""

    async def main() -> list[int]:
        order: list[int] = []

        async def child(number: int) -> None:
            order.append(number)
            await giambio.checkpoint()

        async def spawner(manager: giambio.TaskManager, number: int) -> None:
            await manager.spawn(child, number)

        async with giambio.TaskManager() as outer, giambio.TaskManager(limit=1) as manager:
            await manager.spawn(child, -1)
            for number in range(10):
                await outer.spawn(spawner, manager, number)
            for _ in range(60):
                await giambio.checkpoint()
        return order

    assert run(main) == list(range(-1, 10))


def test_nobody_barges_in_when_a_place_is_free(run: Run) -> None:
    """Rule 4.11: release hands over to the first waiter; nobody barges in."""

    async def main() -> list[str]:
        order: list[str] = []

        async def child(name: str) -> None:
            order.append(name)

        async def waiter(manager: giambio.TaskManager) -> None:
            await manager.spawn(child, "first come")

        async with giambio.TaskManager() as outer, giambio.TaskManager(limit=1) as manager:
            release = giambio.Event()
            held = await manager.spawn(release.wait)
            await outer.spawn(waiter, manager)
            await settled()
            release.set()
            await held
            # The place is promised now, and the waiter may not have run yet.
            if "first come" not in order:
                with pytest.raises(giambio.WouldBlock):
                    manager.start_soon(child, "barging")
            await manager.spawn(child, "second come")
        return order

    assert run(main) == ["first come", "second come"]


def test_start_soon_raises_when_full_and_closes(run: Run) -> None:
    """Rule 7.14: `start_soon` raises `WouldBlock` when full."""

    async def main() -> None:
        async with giambio.TaskManager(limit=2) as manager:
            manager.start_soon(add, 1)
            manager.start_soon(add, 1)
            coro = add(1)
            with pytest.raises(giambio.WouldBlock, match=r"2 tasks running, which is its limit"):
                manager.start_soon(coro)
            assert is_closed(coro)

    run(main)


def test_a_cancelled_waiter_gives_its_turn_to_the_next(run: Run) -> None:
    async def main() -> list[str]:
        order: list[str] = []
        release = []

        async def child(name: str) -> None:
            order.append(name)

        async def hold() -> None:
            while not release:
                await giambio.checkpoint()

        async def waiter(manager: giambio.TaskManager, name: str) -> None:
            await manager.spawn(child, name)

        async with giambio.TaskManager() as outer, giambio.TaskManager(limit=1) as manager:
            await manager.spawn(hold)
            first = await outer.spawn(waiter, manager, "first")
            await outer.spawn(waiter, manager, "second")
            await giambio.checkpoint()
            first.cancel()
            release.append(True)
        assert first.cancelled()
        return order

    assert run(main) == ["second"]


@pytest.mark.usefixtures("in_turn")
def test_a_waiter_cancelled_when_its_place_was_promised_passes_it_on(run: Run) -> None:
    """Rule 5.6: its place goes to the next in line."""

    async def main() -> list[str]:
        order: list[str] = []

        async def child(name: str) -> None:
            order.append(name)

        async def waiter(manager: giambio.TaskManager, name: str) -> None:
            await manager.spawn(child, name)

        async def hold() -> None:
            await giambio.checkpoint()
            # In this very step: the last turn before the place is free.
            giambio.current_loop().call_soon(first[0].cancel)

        first: list[giambio.Task[None]] = []
        async with giambio.TaskManager() as outer, giambio.TaskManager(limit=1) as manager:
            first.append(await outer.spawn(waiter, manager, "first"))
            await manager.spawn(hold)
            await outer.spawn(waiter, manager, "second")
            await outer.spawn(waiter, manager, "third")
        return order

    result = run(main)
    assert result[-2:] == ["second", "third"]


def test_a_cancelled_waiter_closes_its_coroutine(run: Run) -> None:
    """Rule 7.6: nothing is spawned, and the coroutine is closed."""

    async def main() -> None:
        async with giambio.TaskManager(limit=1) as manager:
            held = await manager.spawn(giambio.sleep_forever)
            coro = add(1)
            with giambio.move_on_after(0.001) as scope:
                await manager.spawn(coro)
            assert scope.cancelled_caught
            assert is_closed(coro)
            held.cancel()

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_a_waiter_shielded_before_the_cancellation_arrived_waits_on(run: Run) -> None:
    """Rules 6.5, 3.8: the shield went up before the cancellation arrived."""

    async def main() -> int:
        results = []
        async with giambio.TaskManager(limit=1) as manager:
            held = await manager.spawn(giambio.sleep_forever)
            async with giambio.TaskManager() as outer:

                async def waiter() -> None:
                    with giambio.CancelScope() as inner:
                        scopes.append(inner)
                        results.append(await (await manager.spawn(add, 1)))

                scopes: list[giambio.CancelScope] = []
                await outer.spawn(waiter)
                await giambio.checkpoint()
                outer.cancel()
                scopes[0].shield = True
                await giambio.cancel_shielded_checkpoint()
                held.cancel()
        return results[0]

    assert run(main) == 2


@pytest.mark.usefixtures("in_turn")
def test_a_waiter_whose_manager_is_left_meanwhile_keeps_it_open(run: Run) -> None:
    """A place promised while the block joins is taken before the block is left."""

    async def main() -> int:
        tasks: list[giambio.Task[int]] = []

        async def waiter(manager: giambio.TaskManager) -> None:
            tasks.append(await manager.spawn(add, 1))

        async with giambio.TaskManager() as outer:
            async with giambio.TaskManager(limit=1) as manager:
                await manager.spawn(add, 1)
                await outer.spawn(waiter, manager)
                await giambio.checkpoint()
            return tasks[0].result()

    assert run(main) == 2


def test_the_limit_of_a_manager_whose_tasks_fail(run: Run) -> None:
    async def failing() -> None:
        raise ValueError("x")

    async def main() -> None:
        coro = add(1)
        with pytest.raises(ValueError, match="x"):
            async with giambio.TaskManager(limit=1) as manager:
                await manager.spawn(failing)
                await manager.spawn(coro)
        assert is_closed(coro)

    run(main)


@pytest.fixture(autouse=True)
def no_refused_coroutine_warns(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A coroutine that was never awaited warns when collected: none may be left."""
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    yield
    gc.collect()
    assert [str(problem.exc_value) for problem in unraisable] == []
