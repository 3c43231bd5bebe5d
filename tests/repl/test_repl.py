"""`python -m giambio` without a command: the prompt, in a terminal, and programs from a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from giambio.repl.console import Console
from support.terminal import Terminal, terminal

MODULE = [sys.executable, "-W", "error", "-m", "giambio"]
CONSOLES = ["readline", "new"] if sys.version_info >= (3, 13) else ["readline"]


@pytest.fixture(params=CONSOLES)
def pane(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal in which the prompt waits."""
    basic = "1" if request.param == "readline" else ""
    with terminal(tmp_path) as pane:
        pane.start(
            MODULE, PYTHON_BASIC_REPL=basic, NO_COLOR="1", HOME=str(tmp_path), PYTHONSTARTUP=""
        )
        pane.wait_for(r"import giambio\s+>>> *$")
        yield pane


def piped(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program from standard input."""
    return subprocess.run(
        MODULE, input=program, capture_output=True, text=True, timeout=50, check=False
    )


# -- the prompt --------------------------------------------------------------------------------


def test_await_stands_anywhere_and_the_result_is_shown(pane: Terminal) -> None:
    """Rule 27.1."""
    pane.enter("await giambio.to_thread(lambda: 6 * 7)")
    pane.wait_for("^42$")
    pane.enter("giambio.current_task().name")
    pane.wait_for("^'input 2'$")
    pane.enter("_ + '!'")
    pane.wait_for("^'input 2!'$")


def test_the_loop_goes_on_while_the_prompt_waits(pane: Terminal) -> None:
    """Rule 27.2."""
    pane.enter("_ = manager.start_soon(giambio.to_thread, print, 'from the', 'background')")
    pane.wait_for("from the background")
    pane.enter(
        "import asyncio; _ = asyncio.create_task(asyncio.sleep(0.01, print('asyncio, too')))"
    )
    pane.wait_for("^asyncio, too")


def test_what_is_printed_while_one_types_begins_new_lines(pane: Terminal, tmp_path: Path) -> None:
    """Rule 27.2."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pane.enter(f"task = manager.start_soon(giambio.to_thread, open, {str(pipe)!r})")
    pane.enter("_ = task.add_done_callback(lambda _: print('o' + 'ne', 'two', sep=chr(10)))")
    pane.type("-l", "6 *")
    pane.wait_for(r">>> 6 \* *$")
    pipe.write_text("now")
    pane.wait_for("^two")
    pane.enter(" 7")
    pane.wait_for("^42$")


def test_context_variables_keep_their_values(pane: Terminal) -> None:
    """Rule 27.1."""
    pane.enter("import contextvars; var = contextvars.ContextVar('var')")
    pane.enter("await giambio.sleep(0); _ = var.set('k' + 'ept')")
    pane.enter("await giambio.sleep(0); var.get()")
    pane.wait_for("^'kept'$")


def test_a_traceback_begins_at_what_was_typed(pane: Terminal) -> None:
    """Rule 27.4."""
    pane.enter("await giambio.sleep(-1, 2, 3) if 0 else 1 / 0")
    text = pane.wait_for("^ZeroDivisionError")
    assert "/giambio/" not in text
    pane.enter("raise GeneratorExit('on purpose')")
    text = pane.wait_for("^GeneratorExit: on purpose")
    assert "/giambio/" not in text
    pane.enter("1 +")
    pane.wait_for("^SyntaxError")


def test_ctrl_c_ends_what_is_awaited_and_not_the_session(pane: Terminal) -> None:
    """Rule 27.3."""
    pane.enter("print('wai' + 'ting'); await giambio.sleep_forever()")
    pane.wait_for("^waiting")
    pane.type("C-c")
    pane.wait_for(r"^KeyboardInterrupt\n>>> *$")
    pane.enter("6 * 7")
    pane.wait_for("^42$")


def test_ctrl_c_ends_what_does_not_wait(pane: Terminal) -> None:
    """Rule 27.3."""
    pane.enter("import time; print('sle' + 'eping'); time.sleep(1000)")
    pane.wait_for("^sleeping")
    pane.type("C-c")
    pane.wait_for(r"^KeyboardInterrupt\n>>> *$")
    pane.enter("6 * 7")
    pane.wait_for("^42$")


def test_a_second_ctrl_c_ends_a_background_task_that_holds_the_loop(pane: Terminal) -> None:
    """Rule 27.3."""
    pane.enter("import time")
    pane.enter("async def stuck(): print('stu' + 'ck'); time.sleep(1000)")
    pane.type("Enter")
    pane.enter("_ = manager.start_soon(stuck), await giambio.sleep_forever()")
    pane.wait_for("^stuck")
    pane.type("C-c")
    pane.type("C-c")
    text = pane.wait_for(r"^KeyboardInterrupt\n>>> *$")
    assert "a background task has failed" in text
    pane.enter("6 * 7")
    pane.wait_for("^42$")


def test_ctrl_c_drops_the_line_that_is_being_typed(pane: Terminal) -> None:
    """Rule 27.3."""
    pane.type("-l", "print('not ' + 'executed')")
    pane.wait_for(r"executed'.\s*$")
    pane.type("C-c")
    pane.wait_for(r"^KeyboardInterrupt\n(.*\n)*>>> *$")
    pane.enter("6 * 7")
    text = pane.wait_for("^42$")
    assert "not executed" not in text


def test_ctrl_c_drops_no_line_of_the_next_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 27.3: the thread that reads may be there before the newline is known to be typed."""
    monkeypatch.setenv("PYTHON_BASIC_REPL", "1")
    console = Console({})
    console._reading = True

    def read_at_once() -> bool:
        assert console._interrupted
        console._interrupted = False  # as at the beginning of each line
        return True

    monkeypatch.setattr("giambio.repl.console.type_a_newline", read_at_once)
    console._interrupt()
    assert not console._interrupted


def test_a_background_task_that_fails_is_shown_and_the_session_goes_on(pane: Terminal) -> None:
    """Rule 27.2."""
    pane.enter("async def fail(): raise ValueError('a mistake')")
    pane.type("Enter")
    pane.enter("old = manager; task = manager.start_soon(fail)")
    pane.wait_for("^ValueError: a mistake")
    pane.enter("manager is old, manager")
    pane.wait_for(r"^\(False, <giambio.TaskManager open, 0 running>\)$")


def test_an_error_of_a_callback_does_not_end_the_session(pane: Terminal) -> None:
    """Rule 27.2."""
    pane.enter("_ = giambio.current_loop().call_soon(lambda: 1 / 0)")
    pane.wait_for("^ZeroDivisionError")
    pane.enter("6 * 7")
    pane.wait_for("^42$")


@pytest.mark.parametrize(("end", "code"), [("exit()", 0), ("raise SystemExit(3)", 3), ("C-d", 0)])
def test_the_end_cancels_what_is_left_and_waits_for_it(pane: Terminal, end: str, code: int) -> None:
    """Rule 27.5."""
    pane.enter("import contextlib; stack = contextlib.ExitStack()")
    pane.enter("_ = stack.callback(print, 'cleaned', 'up')")
    pane.enter("async def clean():")
    pane.enter("    with stack: await giambio.sleep_forever()")
    pane.type("Enter")
    pane.enter("task = manager.start_soon(clean); await giambio.checkpoint(); 6 * 7")
    pane.wait_for("^42$")
    if end == "C-d":
        pane.type(end)
    else:
        pane.enter(end)
    assert pane.exit_code() == code
    assert "cleaned up" in pane.text()


def test_names_are_completed_and_history_is_kept(pane: Terminal) -> None:
    """Rule 27.1."""
    pytest.importorskip("readline", reason="this Python has no readline")
    pane.enter("a_long_name = 'com' + 'pleted'")
    pane.type("-l", "a_long_n")
    pane.type("Tab", "Enter")
    pane.wait_for("^'completed'$")
    pane.enter("6 * 7")
    pane.wait_for("^42$")
    pane.type("Up", "C-a")
    pane.type("-l", "1000 + ")
    pane.type("Enter")
    pane.wait_for("^1042$")


# -- a pipe ------------------------------------------------------------------------------------


def test_a_program_from_a_pipe_may_await_anywhere() -> None:
    """Rule 27.6."""
    ended = piped("await giambio.sleep(0)\nprint(giambio.current_task() is not None, __name__)")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True __main__\n", "")


def test_background_tasks_of_a_piped_program_end_with_it() -> None:
    """Rule 27.6."""
    ended = piped(
        "async def sleeper():\n"
        "    try: await giambio.sleep_forever()\n"
        "    finally: print('ended')\n"
        "manager.start_soon(sleeper)\n"
        "await giambio.checkpoint()\n"
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended\n", "")


@pytest.mark.parametrize(
    ("program", "code", "error"),
    [
        (
            "1 / 0",
            1,
            'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\n'
            "ZeroDivisionError: division by zero\n",
        ),
        (
            "raise GeneratorExit('on purpose')",
            1,
            'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\n'
            "GeneratorExit: on purpose\n",
        ),
        ("def f(:", 1, '  File "<stdin>", line 1\n    def f(:\n          ^\nSyntaxError: '),
        ("await giambio.sleep(0)\nexit(3)", 3, ""),
        ("raise SystemExit('a message')", 1, "a message\n"),
    ],
)
def test_a_piped_program_ends_as_python_ends(program: str, code: int, error: str) -> None:
    """Rule 27.6."""
    ended = piped(program)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith(error)
    assert error or not ended.stderr


# -- IPython -----------------------------------------------------------------------------------


def test_ipython_awaits_in_giambio_by_one_line(tmp_path: Path) -> None:
    """Rule 27.6."""
    pytest.importorskip("IPython", reason="there is no IPython here")
    inputs = [
        "%autoawait giambio.asyncio.run",
        "import giambio",
        "await giambio.to_thread(lambda: 6 * 7)",
        "async with giambio.TaskManager() as manager: print(await manager.spawn(giambio.sleep, 0))",
        "",
    ]
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=NoColor"]
    shown = subprocess.run(
        command,
        input="\n".join([*inputs, ""]),
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    ).stdout
    assert "Out[3]: 42\n" in shown
    assert "<giambio.Task 'giambio.sleep' running>" in shown
    assert "Traceback" not in shown
