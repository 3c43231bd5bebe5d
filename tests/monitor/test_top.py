"""`top`, as a person sees it, in a terminal; and as text where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.monitor import asked, folder, living
from support.programs import program as program_of

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the monitor needs Linux"),
    pytest.mark.usefixtures("folder"),
]
__all__ = ["folder"]

BUSY = """
    import giambio

    async def hog():
        while True:
            sum(range(100_000))
            await giambio.sleep(0.001)

    async def main():
        lock = giambio.Lock()
        async with giambio.TaskManager() as manager, lock:
            await manager.spawn(hog, name="the hog")
            for _ in range(3):
                await manager.spawn(lock.acquire, name="patient")
            await giambio.sleep(0.01)
            print("ready")
            await giambio.sleep(1000)

    giambio.run(main)
"""


def test_top_is_plain_text_where_there_is_no_terminal() -> None:
    """Rule 26.6: plain when piped."""
    with living(BUSY) as program:
        text = asked("top", program.pid, "--count", 2, "--interval", 0.3)
    assert "\x1b" not in text
    assert text.count("giambio top - ") == 2
    first, _, rest = text.partition("     3 tasks wait for Lock.acquire() on <giambio.Lock held by")
    assert "% busy, " in first
    table = rest.partition(", 3 waiting>\n")[2]
    head, busiest = table[table.index("ID") :].splitlines()[:2]
    assert head.split()[:5] == ["ID", "NAME", "BUSY", "LONGEST", "STATE"]
    assert busiest.split()[1:3] == ["the", "hog"]


def test_top_as_json_has_a_line_for_each_look() -> None:
    """Rule 26.6: ``--json`` on each."""
    with living(BUSY) as program:
        lines = asked("top", program.pid, "--count", 2, "--interval", 0.2, "--json").splitlines()
    for line in lines:
        look = json.loads(line)
        (loop,) = look["loops"]
        assert look["seconds"] >= 0.2
        assert loop["busiest"][0]["name"] == "the hog"
        assert loop["busiest"][0]["busy"] > 0
    assert len(lines) == 2


class Terminal:
    """A terminal of tmux, with a program in it."""

    def __init__(self, server: list[str], command: str) -> None:
        self._server = server
        self.call("new-session", "-d", "-x", "110", "-y", "24", f"{command}; echo EXIT $?; cat")

    def call(self, *arguments: str) -> str:
        """Have tmux do something."""
        done = subprocess.run(
            [*self._server, *arguments], capture_output=True, text=True, timeout=20, check=True
        )
        return done.stdout

    def until(self, found: Callable[[str], bool]) -> str:
        """Wait until the screen shows something."""
        end = time.monotonic() + 30
        while not found(screen := self.call("capture-pane", "-p")):
            assert time.monotonic() < end, screen
            time.sleep(0.05)
        return screen


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[[str], Terminal]]:
    """Make a terminal in which a command runs."""
    server = [program_of("tmux"), "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    yield lambda command: Terminal(server, command)
    subprocess.run([*server, "kill-server"], capture_output=True, check=False, timeout=20)


def test_top_fills_a_terminal_and_q_leaves_it_as_it_was(
    terminal: Callable[[str], Terminal],
) -> None:
    """Rule 26.6: live, and q quits."""
    with living(BUSY) as program:
        screen = terminal(f"{sys.executable} -m giambio top {program.pid} --interval 0.2")
        shown = screen.until(lambda text: "the hog" in text)
        assert shown.startswith(f"giambio top - {program.pid} ")
        assert "q quits" in shown
        assert "% busy" in shown
        assert all(len(line) <= 110 for line in shown.splitlines())
        screen.call("send-keys", "x")  # means nothing
        screen.until(lambda text: "the hog" in text)
        screen.call("send-keys", "-l", "yesq")  # all at once
        left = screen.until(lambda text: "EXIT" in text)
        assert "EXIT 0" in left
        assert "the hog" not in left
        assert modes(screen) == ["0", "1"]


def test_the_terminal_is_given_back_when_the_program_ends(
    terminal: Callable[[str], Terminal],
) -> None:
    """Rule 26.9: it has ended."""
    with living(BUSY) as program:
        screen = terminal(f"{sys.executable} -m giambio top {program.pid} --interval 0.2")
        screen.until(lambda text: "the hog" in text)
        program.kill()
        left = screen.until(lambda text: "EXIT 1" in text)
    assert f"giambio: process {program.pid} has ended" in left


def test_ctrl_z_gives_the_terminal_back_until_top_goes_on(
    terminal: Callable[[str], Terminal],
) -> None:
    """Rule 26.6: as the shell's jobs do, more than once."""
    with living(BUSY) as program:
        top = f"{sys.executable} -m giambio top {program.pid} --interval 0.2"
        screen = terminal("PS1='$ ' sh -i")
        screen.until(lambda text: "$" in text)
        screen.call("send-keys", "-l", f"stty -a | grep -o '.icanon'; {top}; echo CODE $?")
        screen.call("send-keys", "Enter")
        for _ in range(2):
            screen.until(lambda text: "the hog" in text)
            assert modes(screen) == ["1", "0"]
            screen.call("send-keys", "C-z")
            screen.until(lambda text: "topped" in text)  # or "Stopped": shells differ
            assert modes(screen) == ["0", "1"]
            screen.call("send-keys", "-l", "clear; stty -a | grep -o '.icanon -*'; fg")
            screen.call("send-keys", "Enter")
            shown = screen.until(lambda text: "q quits" in text)
            assert shown.startswith("giambio top - ")
        screen.call("send-keys", "-l", "q")
        left = screen.until(lambda text: "q quits" not in text and "$" in text)
        assert " icanon" in left
        assert "-icanon" not in left
        assert modes(screen) == ["0", "1"]


def modes(screen: Terminal) -> list[str]:
    """Whether another screen is shown, and whether there is a cursor."""
    return screen.call("display-message", "-p", "#{alternate_on} #{cursor_flag}").split()
