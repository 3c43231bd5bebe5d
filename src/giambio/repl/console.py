"""The terminal's side of a session: reads, compiles and shows, in a thread.

It is Python's own console: from 3.13 on the new one, which edits blocks as a whole and has colours,
where that can be had, and otherwise the one that uses `readline`. Python's new console is private,
so where it is another one than asyncio's prompt knows, the old one does.
"""

from __future__ import annotations

import ast
import code
import os
import sys
import tokenize
from collections.abc import Callable
from types import CodeType
from typing import Any

from giambio._build.info import build_info
from giambio.repl.session import Session
from giambio.threads.from_thread import from_thread

__all__ = ["Console"]


class Console:
    """A console whose inputs run in a session's loop.

    Parameters:
        namespace: the names that they see.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._session = Session(namespace, self._report, self._interrupt)
        self._new = new_console()
        base = code.InteractiveConsole if self._new is None else self._new.InteractiveColoredConsole
        self._console: Any = self._class(base)(namespace, filename="<stdin>")
        self._console.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._reading = self._interrupted = False

    def run(self) -> str | int | None:
        """Run the session until ``exit()`` or the end of the input; return its exit code."""
        return self._session.run(self._interact)

    def _class(self, base: Any) -> Any:
        """Return the class of the console: a subclass of one of Python's."""
        console = self

        class GiambioConsole(base):  # type: ignore[misc]
            def raw_input(self, prompt: str = "") -> str:
                console._reading, console._interrupted = True, False
                try:
                    line: str = super().raw_input(prompt)
                finally:
                    console._reading = False
                if console._interrupted:
                    raise KeyboardInterrupt
                return line

            def runcode(self, code: CodeType) -> None:
                try:
                    problem = from_thread.run(console._session.execute, code)
                    if problem is not None:
                        raise problem
                except SystemExit:
                    raise
                except KeyboardInterrupt:
                    self.write("\nKeyboardInterrupt\n")
                except BaseException:
                    self.showtraceback()
                finally:
                    problem = None

        return GiambioConsole

    def _interact(self) -> str | int | None:
        """Read until the end; in a thread."""
        try:
            self._console.write(banner())
            self._run_startup_file()
            if self._new is None:
                self._console.interact(banner="", exitmsg="")
            else:
                self._new.run(self._console)
        except SystemExit as end:
            return end.code
        return 0

    def _run_startup_file(self) -> None:
        """Run the file that Python's prompt runs first."""
        path = None if sys.flags.ignore_environment else os.getenv("PYTHONSTARTUP")
        if path:
            try:
                with tokenize.open(path) as file:
                    source = compile(file.read(), path, "exec")
            except (OSError, SyntaxError, ValueError):
                self._console.showtraceback()
            else:
                self._console.runcode(source)

    def _interrupt(self) -> None:
        """End the line that is being edited; in the main thread, while the other one reads."""
        if self._new is not None:
            self._new.interrupt()
        elif self._reading:
            self._interrupted = True  # before: the other thread may be faster
            if not type_a_newline():
                self._interrupted = False

    def _report(self, exc: BaseException) -> None:
        """Show the exception of a background task."""
        try:
            raise exc
        except BaseException:
            self._console.write("\na background task has failed:\n")
            self._console.showtraceback()


def banner() -> str:
    """Return what greets the user."""
    build = build_info()
    return (
        f"giambio {build.version} ({build.build}) on {build.python}, {sys.platform}\n"
        'Use "await" directly instead of "giambio.run()"; '
        '"manager" is a TaskManager for background tasks.\n'
        f"{getattr(sys, 'ps1', '>>> ')}import giambio\n"
    )


class NewConsole:
    """What is used of Python's new console.

    Raises:
        ImportError: there is none here.
    """

    def __init__(self) -> None:
        from _pyrepl import simple_interact  # type: ignore[import-not-found,unused-ignore]
        from _pyrepl.console import (  # type: ignore[import-not-found,unused-ignore]
            InteractiveColoredConsole,
        )
        from _pyrepl.main import CAN_USE_PYREPL  # type: ignore[import-not-found,unused-ignore]

        if not CAN_USE_PYREPL:
            raise ImportError("it cannot be used with this terminal")
        self.InteractiveColoredConsole = InteractiveColoredConsole
        self._run: Callable[[Any], None] = simple_interact.run_multiline_interactive_console
        self._reader: Callable[[], Any] = simple_interact._get_reader

    def run(self, console: Any) -> None:
        """Read and run inputs until the end."""
        keep_new_lines(sys.modules[type(self._reader().console).__module__])
        self._run(console)

    def interrupt(self) -> None:
        """End the input that is being edited; the console looks ten times a second."""
        hook = self._reader().threading_hook
        if hook is not None:
            hook.add("")


def keep_new_lines(module: Any) -> None:
    """Have a newline begin a new line while one types, too, for what background tasks print.

    Python's new console has the terminal's mode changed so that it does not, and does without.
    """
    set_mode = getattr(module, "tcsetattr", None)
    if set_mode is None:
        return
    import termios

    def set_mode_but_that(fd: int, when: int, mode: Any) -> None:
        mode.oflag |= termios.OPOST
        set_mode(fd, when, mode)

    module.tcsetattr = set_mode_but_that


def new_console() -> NewConsole | None:
    """Return Python's new console if it can be used here, and is wanted."""
    if os.getenv("PYTHON_BASIC_REPL") and not sys.flags.ignore_environment:
        return None
    try:
        return NewConsole()
    except (ImportError, AttributeError):
        return None


def type_a_newline() -> bool:
    """Type a newline into the terminal, as if the user had; return whether it could be done.

    Nothing else ends a `readline` in another thread. A system may forbid it, and then Ctrl-C does
    nothing while one types.
    """
    try:
        import fcntl
        import termios

        fcntl.ioctl(sys.stdin.fileno(), termios.TIOCSTI, b"\n")
    except (ImportError, AttributeError, OSError, ValueError):
        return False
    return True
