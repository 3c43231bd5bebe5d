"""Contexts and warnings in threads, with the options of Python 3.14 that change them."""

from __future__ import annotations

import sys

import pytest

from support.programs import printed

#: The default of Python with a GIL, and that of free-threaded Python.
OPTIONS = ["0", "1"]

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="the options are those of Python 3.14"
)


@pytest.mark.parametrize("inherit", OPTIONS)
@pytest.mark.parametrize("kind", ["to_thread", "run_in_worker"])
def test_an_idle_worker_keeps_nothing_of_the_context_it_was_started_in(
    inherit: str, kind: str
) -> None:
    """Rule 13.17: whatever `-X thread_inherit_context` says."""
    code = f"""
        import contextvars, gc, weakref
        import giambio
        from giambio.threads.workers import idle_workers, run_in_worker

        class Thing:
            pass

        var = contextvars.ContextVar("var")

        async def task():
            var.set(thing := Thing())
            if {kind!r} == "to_thread":
                assert await giambio.to_thread(var.get) is thing
            else:
                assert await run_in_worker("a look-up", var.get) is thing
            return weakref.ref(thing)

        async def main():
            async with giambio.TaskManager() as manager:
                task_ = await manager.spawn(task)
            kept = task_.result()
            del task_
            gc.collect()
            with giambio.move_on_after(10):
                while kept() is not None:  # the thread is just putting the call away
                    await giambio.sleep(0.001)
            print(idle_workers(), kept())

        giambio.run(main)
    """
    assert printed(code, PYTHON_THREAD_INHERIT_CONTEXT=inherit) == ["1 None"]


@pytest.mark.parametrize("inherit", OPTIONS)
def test_a_function_in_a_thread_sees_its_callers_context_and_not_the_first_ones(
    inherit: str,
) -> None:
    """Rule 13.17: the same thread, one caller after the other."""
    code = """
        import contextvars
        import giambio

        var = contextvars.ContextVar("var", default="nothing")

        async def ask(value):
            if value:
                var.set(value)
            print(await giambio.to_thread(var.get))

        async def main():
            for value in ("one", "two", None):
                async with giambio.TaskManager() as manager:
                    await manager.spawn(ask, value)

        giambio.run(main)
    """
    lines = printed(code, PYTHON_THREAD_INHERIT_CONTEXT=inherit)
    assert lines == ["one", "two", "nothing"]


def test_a_task_that_catches_warnings_catches_its_own_and_those_of_its_threads() -> None:
    """Rule 13.17: with `-X context_aware_warnings`, filters belong to a task."""
    code = """
        import warnings
        import giambio

        warnings.simplefilter("error")

        def warn(text):
            warnings.warn(text, stacklevel=1)

        async def catch(caught, warned):
            with warnings.catch_warnings(record=True) as mine:
                warnings.simplefilter("always")
                caught.set()
                await warned.wait()
                warn("in the task")
                await giambio.to_thread(warn, "in its thread")
                async with giambio.TaskManager() as manager:
                    manager.start_soon(child)
                giambio.sleep(0)  # forgotten
            print([str(one.message) for one in mine])

        async def child():
            warn("in its child")

        async def other(caught, warned):
            await caught.wait()
            for where in (warn, lambda text: giambio.from_thread.run_sync(warn, text)):
                try:
                    if where is warn:
                        warn("elsewhere")
                    else:
                        await giambio.to_thread(where, "from a thread")
                except UserWarning as error:
                    print("raised:", error)
            warned.set()

        async def main():
            caught, warned = giambio.Event(), giambio.Event()
            async with giambio.TaskManager() as manager:
                manager.start_soon(catch, caught, warned)
                manager.start_soon(other, caught, warned)

        giambio.run(main)
    """
    assert printed(code, PYTHON_CONTEXT_AWARE_WARNINGS="1") == [
        "raised: elsewhere",
        "raised: from a thread",
        "['in the task', 'in its thread', 'in its child', 'sleep() was never awaited']",
    ]
