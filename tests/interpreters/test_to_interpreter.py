"""`to_interpreter`: functions in other interpreters of this process, with a GIL of their own."""

from __future__ import annotations

import contextvars
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.interpreters import worker_interpreter
from giambio.interpreters.worker_interpreter import InterpreterThread
from giambio.testing import assert_checkpoints
from giambio.threads.workers import end_idle_workers
from support import interpreters as functions
from support.net import turns
from support.programs import printed
from support.threads import until, wait_until

Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="to_interpreter() needs Python 3.13 or newer"
)


# -- calling -------------------------------------------------------------------------------


def test_it_runs_in_another_interpreter_of_this_process(run: Run) -> None:
    assert run(giambio.to_interpreter, functions.where) == (os.getpid(), False)


def test_results_and_arguments_of_many_kinds(run: Run) -> None:
    async def main() -> None:
        assert await giambio.to_interpreter(math.factorial, 20) == math.factorial(20)
        for value in (None, b"", (), StopIteration(3), ValueError("a value"), {"a": [1.5]}):
            assert repr(await giambio.to_interpreter(functions.echo, value)) == repr(value)
        assert await giambio.to_interpreter(partial(int, base=2), "101") == 5

    run(main)


def test_large_arguments_and_results(run: Run) -> None:
    data = bytes(range(256)) * 40_000

    async def main() -> None:
        assert await giambio.to_interpreter(functions.echo, data) == data

    run(main)


def test_a_function_has_its_module_and_an_interpreter_is_used_again(run: Run) -> None:
    """Rule 13.14: what its module keeps is there at the next call, in the same thread."""

    async def main() -> None:
        thread, calls = await giambio.to_interpreter(functions.count_calls)
        assert thread != threading.get_ident()
        for number in range(calls + 1, calls + 10):
            assert await giambio.to_interpreter(functions.count_calls) == (thread, number)
        assert functions.CALLS == 0

    run(main)


def test_several_interpreters_at_once(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.CapacityLimiter(3)
        async with giambio.TaskManager() as manager:
            call = partial(giambio.to_interpreter, functions.count_calls, limiter=limiter)
            tasks = [await manager.spawn(call) for _ in range(20)]
        assert 1 <= len({task.result()[0] for task in tasks}) <= 3
        assert limiter.borrowed_tokens == 0

    run(main)


def test_functions_run_side_by_side(run: Run, tmp_path: Path) -> None:
    """Each waits for the other, without ever letting go of its interpreter's GIL."""
    names = [str(tmp_path / "one"), str(tmp_path / "two")]

    async def main() -> None:
        limiter = giambio.CapacityLimiter(2)
        meet = partial(giambio.to_interpreter, functions.meet, limiter=limiter)
        await giambio.gather(meet(*names), meet(*reversed(names)))

    run(main)


def test_the_default_limiter_has_a_token_for_each_processor(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.current_default_interpreter_limiter()
        assert limiter.total_tokens == giambio.current_default_process_limiter().total_tokens
        assert giambio.current_default_interpreter_limiter() is limiter

    run(main)


def test_a_function_may_run_a_loop_of_its_own(run: Run) -> None:
    assert run(giambio.to_interpreter, functions.loop_of_its_own, 5) == ("pure", [5, 6])


def test_context_variables_are_not_carried(run: Run) -> None:
    async def main() -> None:
        functions.variable.set("here")
        assert await giambio.to_interpreter(functions.read_variable) == "default"

    contextvars.copy_context().run(run, main)


# -- failures ------------------------------------------------------------------------------


def test_an_exception_comes_back_with_its_type_and_its_traceback(run: Run) -> None:
    """Rule 13.15."""

    async def main() -> None:
        with pytest.raises(functions.Friendly) as caught:
            await giambio.to_interpreter(functions.fail, 7)
        assert caught.value.code == 7
        assert "in deeper" in str(caught.value.__cause__)
        assert await giambio.to_interpreter(abs, -1) == 1

    run(main)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_no_exception_breaks_the_interpreter(run: Run, kind: type[BaseException]) -> None:
    async def main() -> None:
        with pytest.raises(kind):
            await giambio.to_interpreter(functions.raise_it, kind)
        assert await giambio.to_interpreter(abs, -1) == 1

    run(main)


def test_what_cannot_be_sent_is_a_clear_error(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"to another interpreter: .*found by its name"):
            giambio.to_interpreter(lambda: None)
        with pytest.raises(TypeError, match="cannot be sent back"):
            await giambio.to_interpreter(functions.return_unpicklable)
        with pytest.raises(TypeError, match=r"to_interpreter\(\) calls ordinary functions"):
            await giambio.to_interpreter(functions.coroutine_function)
        with pytest.raises(TypeError, match=r"to_interpreter\(limiter=\)"):
            giambio.to_interpreter(abs, 1, limiter=3)  # type: ignore[arg-type]

    run(main)


def test_keywords_are_passed_on(run: Run) -> None:
    """Rule 13.13: all but its own."""

    async def main() -> list[int]:
        return await giambio.to_interpreter(sorted, [1, 3, 2], reverse=True)

    assert run(main) == [3, 2, 1]


def test_an_interpreter_that_cannot_be_made_is_an_error(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next call makes another one."""

    async def main() -> None:
        end_idle_workers(InterpreterThread)
        with monkeypatch.context() as patched:
            patched.setattr(worker_interpreter, "preparation", lambda: "import no_such_module")
            with pytest.raises(giambio.BrokenWorkerInterpreter, match="no_such_module"):
                await giambio.to_interpreter(abs, -1)
        assert await giambio.to_interpreter(abs, -1) == 1

    run(main)


# -- cancellation --------------------------------------------------------------------------


def test_a_cancelled_call_waits_for_its_function_and_keeps_the_result(
    run: Run, tmp_path: Path
) -> None:
    """Rule 13.16: as `to_thread`."""
    begun, go_on = tmp_path / "begun", tmp_path / "go on"

    async def main() -> None:
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:
                task = manager.start_soon(
                    giambio.to_interpreter, functions.wait_for, str(begun), str(go_on)
                )
                await until(begun.exists)
                scope.cancel()
                with giambio.CancelScope(shield=True):
                    await turns(2)
                assert not task.done()
                go_on.touch()
        assert task.result() == "done"

    run(main)


def test_an_abandoned_call_gives_its_token_back_when_it_is_done(run: Run, tmp_path: Path) -> None:
    begun, go_on = tmp_path / "begun", tmp_path / "go on"

    async def main() -> None:
        limiter = giambio.CapacityLimiter(1)
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:
                call = partial(
                    giambio.to_interpreter,
                    functions.wait_for,
                    *(str(begun), str(go_on)),
                    limiter=limiter,
                    abandon_on_cancel=True,
                )
                manager.start_soon(call)
                await until(begun.exists)
                scope.cancel()
        assert limiter.borrowed_tokens == 1
        go_on.touch()
        await until(lambda: limiter.borrowed_tokens == 0)

    run(main)


def test_it_is_a_checkpoint(run: Run) -> None:
    async def main() -> None:
        with assert_checkpoints():
            await giambio.to_interpreter(abs, -1)
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.to_interpreter(functions.raise_it, AssertionError)
        assert scope.cancelled_caught

    run(main)


# -- the end -------------------------------------------------------------------------------


def test_an_idle_interpreter_ends(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 13.14."""
    monkeypatch.setattr(worker_interpreter, "IDLE_SECONDS", 0.01)
    end_idle_workers(InterpreterThread)
    run(giambio.to_interpreter, abs, -1)
    wait_until(lambda: not InterpreterThread.idle)


def test_an_idle_interpreter_does_not_hide_a_deadlock(run: Run) -> None:
    """Rule 11.6."""

    async def main() -> None:
        await giambio.to_interpreter(abs, -1)
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main)


def test_the_program_ends_with_idle_and_abandoned_interpreters(tmp_path: Path) -> None:
    """Rule 13.6, and at exit none is left, of which Python would warn."""
    begun = tmp_path / "begun"
    program = f"""
        import giambio
        from support import interpreters as functions
        from support.threads import until
        from pathlib import Path

        async def main():
            print(await giambio.to_interpreter(abs, -3))
            async with giambio.TaskManager() as manager:
                manager.start_soon(lambda: giambio.to_interpreter(
                    functions.wait_for, {str(begun)!r}, "/never", abandon_on_cancel=True))
                manager.start_soon(giambio.to_interpreter, abs, -1)
                await until(Path({str(begun)!r}).exists)
                manager.cancel()

        giambio.run(main)
        print("over")
    """
    assert printed(program, Path(__file__).parents[1]) == ["3", "over"]


def test_a_fork_finds_no_idle_interpreter(run: Run) -> None:
    """With one, the child would crash."""

    async def main() -> None:
        assert await giambio.to_interpreter(abs, -1) == 1
        with warnings.catch_warnings():  # that there are threads
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            os._exit(0)
        assert os.waitpid(pid, 0) == (pid, 0)
        assert await giambio.to_interpreter(abs, -1) == 1

    run(main)


def test_functions_of_the_main_module_and_their_output(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import giambio\n"
        "FACTOR = 2\n"
        "def double(number):\n"
        "    print('there', __name__)\n"
        "    return FACTOR * number\n"
        "if __name__ == '__main__':\n"
        "    print(giambio.run(giambio.to_interpreter, double, 21))\n"
    )
    code = f"import os, sys; os.execv(sys.executable, [sys.executable, {str(program)!r}])"
    assert printed(code) == ["there __mp_main__", "42"]


def test_a_program_that_is_not_guarded_does_not_go_on_for_ever(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import giambio\n"
        "def double(number): return 2 * number\n"
        "try:\n"
        "    print(giambio.run(giambio.to_interpreter, double, 21))\n"
        "except RuntimeError as error:\n"
        "    print('imports the program' in str(error))\n"
    )
    code = f"import os, sys; os.execv(sys.executable, [sys.executable, {str(program)!r}])"
    assert printed(code) == ["True", "42"]


# -- AnyIO ---------------------------------------------------------------------------------


def test_anyio_has_interpreters_of_its_own() -> None:
    """AnyIO does not ask its back end: its function works in giambio as elsewhere.

    In a process of its own, because AnyIO keeps them, and a fork beside them crashes the child.
    """
    program = """
        import math
        import anyio.to_interpreter
        import giambio

        async def main():
            print(await anyio.to_interpreter.run_sync(math.factorial, 5))
            try:
                await anyio.to_interpreter.run_sync(int, "no number")
            except ValueError as error:
                print(error)

        giambio.run(main)
    """
    told = "invalid literal for int() with base 10: 'no number'"
    assert printed(program, Path(__file__).parents[1]) == ["120", told]
