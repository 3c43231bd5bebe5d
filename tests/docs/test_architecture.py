"""docs/architecture.md: the rooms are those of the sources, and the journeys are really made."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import giambio

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENT = CHECKOUT / "docs" / "architecture.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
PACKAGE = Path(giambio.__file__).parent
SECONDS = 30

#: The program of each section that has a journey, and the functions which that names.
JOURNEYS = {
    section.partition("\n")[0]: (
        re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[0],
        re.findall(r"^\d+\. `([\w.]+)`", section.partition("<!-- journey -->")[2], re.MULTILINE),
    )
    for section in TEXT.split("\n## ")
    if "<!-- journey -->" in section
}

#: Runs a program and prints the functions of giambio that it calls, in their order.
TRACED = """
import json, sys

calls = []

def note(frame, event, argument):
    module = frame.f_globals.get("__name__", "")
    if event == "call" and module.startswith("giambio."):
        calls.append(module.removeprefix("giambio.") + "." + frame.f_code.co_qualname)

program = compile(sys.stdin.read(), "program", "exec")
import giambio
sys.setprofile(note)
exec(program)
sys.setprofile(None)
print(json.dumps(calls))
"""


def calls_of(program: str) -> list[str]:
    """The functions of giambio that a program calls, in the pure build."""
    done = subprocess.run(
        [sys.executable, "-c", TRACED],
        input=program,
        env=os.environ | {"GIAMBIO_PURE": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    calls: list[str] = json.loads(done.stdout.splitlines()[-1])
    return calls


def is_made(steps: list[str], calls: list[str]) -> bool:
    """Whether these calls make a journey: each step in its order, and none before its time."""
    following = iter(calls)
    first_calls = [call for call in dict.fromkeys(calls) if call in steps]
    return first_calls == list(dict.fromkeys(steps)) and all(step in following for step in steps)


@pytest.mark.usefixtures("in_turn")
@pytest.mark.skipif(sys.platform != "linux", reason="the journeys are made with epoll")
@pytest.mark.parametrize("title", JOURNEYS)
def test_a_journey_is_made_in_this_order(title: str) -> None:
    program, steps = JOURNEYS[title]
    calls = calls_of(program)
    assert set(steps) - set(calls) == set()
    begins = [number for number, call in enumerate(calls) if call == steps[0]]
    assert any(is_made(steps, calls[begin:]) for begin in begins), "\n".join(
        call for call in calls[begins[0] :] if call in steps
    )


def test_a_journey_in_another_order_is_noticed() -> None:
    assert is_made(["a", "b", "a", "c"], ["a", "x", "b", "b", "a", "c"])
    assert not is_made(["b", "a", "c"], ["a", "b", "a", "c"])
    assert not is_made(["a", "c", "b"], ["a", "b", "c", "b"])
    assert not is_made(["a", "b", "a"], ["a", "b"])


def test_there_are_three_journeys() -> None:
    assert list(JOURNEYS) == ["The bytes of an echo", "The life of a task", "A deadline"]
    for _, steps in JOURNEYS.values():
        assert len(steps) >= 15


def test_the_steps_are_numbered_one_by_one() -> None:
    for journey in TEXT.split("<!-- journey -->")[1:]:
        numbers = [int(number) for number in re.findall(r"^(\d+)\. ", journey, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_the_files_that_it_names_exist() -> None:
    named = re.findall(r"`(\w+/\w+\.py)`", TEXT)
    assert len(named) > 3
    assert [name for name in named if not (PACKAGE / name).is_file()] == []


@pytest.mark.skipif(
    not (CHECKOUT / "src").exists(), reason="the sources are not here: an installed wheel is tested"
)
def test_the_rooms_are_drawn_as_they_are() -> None:
    replaced = runpy.run_path(str(CHECKOUT / "docs" / "draw_rooms.py"))["replaced"]
    assert replaced(TEXT) == TEXT, "it has changed: run `python docs/draw_rooms.py`"
