"""A terminal that a test types into and reads from: a pane of tmux."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.programs import program

SECONDS = 30

#: Notes with which code a program has ended, which tmux does not always hear; then it stays, and
#: with it what is on the screen.
WATCHED = """trap : INT; "$@"; echo $? > "$0"; cat"""


class Terminal:
    """A pane in which one program runs.

    Parameters:
        server: the socket of a tmux of its own.
    """

    def __init__(self, server: Path) -> None:
        self._tmux = [program("tmux"), "-S", str(server), "-f", "/dev/null"]
        self._code = server.with_name("exit code")

    def start(self, command: list[str], **environment: str) -> None:
        """Start a program in it; what it has printed stays when it has ended."""
        variables = [f"{name}={value}" for name, value in environment.items()]
        size = ["-x", "100", "-y", "40"]
        watched = ["sh", "-c", WATCHED, str(self._code), "env", *variables, *command]
        self._call("new-session", "-d", *size, *watched)

    def type(self, *keys: str) -> None:
        """Type keys, by tmux's names for them: ``"C-c"``, ``"Enter"``."""
        self._call("send-keys", *keys)

    def enter(self, line: str) -> None:
        """Type a line."""
        self._call("send-keys", "-l", line)
        self.type("Enter")

    def text(self) -> str:
        """What can be read on it, and above."""
        return self._call("capture-pane", "-p", "-J", "-S", "-")

    def wait_for(self, pattern: str) -> str:
        """Wait until something can be read on it, and return all there is."""
        until = time.monotonic() + SECONDS
        while not re.search(pattern, text := self.text(), re.MULTILINE):
            assert time.monotonic() < until, f"no {pattern!r} in:\n{text}"
            time.sleep(0.05)
        return text

    def exit_code(self) -> int:
        """Wait for the program's end, and return its exit code."""
        until = time.monotonic() + SECONDS
        while not self._code.exists() or not (code := self._code.read_text(encoding="ascii")):
            assert time.monotonic() < until, f"it goes on:\n{self.text()}"
            time.sleep(0.05)
        return int(code)

    def kill(self) -> None:
        """End the program and its tmux."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)

    def _call(self, *arguments: str) -> str:
        command = [*self._tmux, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    """A terminal, for the time of a block."""
    pane = Terminal(folder / "tmux")
    try:
        yield pane
    finally:
        pane.kill()
