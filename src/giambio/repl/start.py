"""``python -m giambio``: a prompt on a terminal, and otherwise a program from standard input."""

from __future__ import annotations

import ast
import signal
import sys
from types import CodeType, CoroutineType, FunctionType, ModuleType
from typing import Any

import giambio
from giambio.kernel.tracebacks import user_part
from giambio.tasks.manager import TaskManager

__all__ = ["start"]


def start() -> str | int | None:
    """Run the prompt, or what standard input has; return the exit code.

    As `python` does: without a terminal there is no prompt, and an exception ends the program.
    """
    main = ModuleType("__main__")
    main.__dict__.update(giambio=giambio, __builtins__=__builtins__)
    before, sys.modules["__main__"] = sys.modules["__main__"], main
    try:
        return prompt(main.__dict__) if sys.stdin.isatty() else run_input(main.__dict__)
    finally:
        sys.modules["__main__"] = before


def prompt(names: dict[str, Any]) -> str | int | None:
    """Run the prompt; return the exit code."""
    from giambio.repl.console import Console

    hook = getattr(sys, "__interactivehook__", None)
    if hook is not None:
        hook()  # history, and the completion of names, where there is `readline`
        complete_names(names)
    return Console(names).run()


def complete_names(names: dict[str, Any]) -> None:
    """Have the prompt's own names completed."""
    try:
        import readline
        import rlcompleter
    except ImportError:
        return
    readline.set_completer(rlcompleter.Completer(names).complete)


def run_input(names: dict[str, Any]) -> int:
    """Run a program from standard input, in which ``await`` may stand anywhere."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        code = compile(sys.stdin.buffer.read(), "<stdin>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError) as exc:
        sys.excepthook(type(exc), exc.with_traceback(None), None)
        return 1
    try:
        giambio.run(run_program, code, names)
    except SystemExit:
        raise
    except BaseException as exc:
        sys.excepthook(type(exc), user_part(exc), exc.__traceback__)
        return 128 + signal.SIGINT if isinstance(exc, KeyboardInterrupt) else 1
    return 0


async def run_program(code: CodeType, names: dict[str, Any]) -> None:
    """Run a program, with a manager for its background tasks, which end with it."""
    async with TaskManager() as manager:
        names["manager"] = manager
        awaited = FunctionType(code, names)()
        if isinstance(awaited, CoroutineType):  # only if there is an `await` in it
            await awaited
        manager.cancel("the program has ended")
