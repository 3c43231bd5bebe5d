"""Draws the rooms into docs/architecture.md: `python docs/draw_rooms.py`.

The diagram is made from the sources, so that it cannot say what is not so: floors and imports
are those that tests/packaging/test_structure.py knows, and each room's line is the first one of
its docstring. A test compares the document with what is drawn here.
"""

from __future__ import annotations

import ast
import runpy
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
DOCUMENT = DOCS / "architecture.md"
STRUCTURE = DOCS.parent / "tests" / "packaging" / "test_structure.py"
BEGIN = "<!-- rooms: drawn by docs/draw_rooms.py -->\n```text\n"
END = "```\n"
WIDTH = 96
NAME = 15


def drawn() -> str:
    """Return the diagram: the floors from the top down, each room with what it imports."""
    structure = runpy.run_path(str(STRUCTURE))
    line = "─" * (WIDTH - 2)
    floors = [
        "".join(f"│ {row:{WIDTH - 4}} │\n" for row in rows_of(floor, structure))
        for floor in reversed(structure["FLOORS"])
    ]
    return f"┌{line}┐\n" + f"├{line}┤\n".join(floors) + f"└{line}┘\n"


def rows_of(floor: tuple[str, ...], structure: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a floor."""
    for room in floor:
        docstring = ast.get_docstring(structure["tree"](room)) or ""
        below = sorted(
            imported_by(room, structure), key=lambda name: (-structure["floor"](name), name)
        )
        # The lowest floor is below everything, so that need not be said.
        names = ", ".join(short(name) for name in below if structure["floor"](name))
        texts = [docstring.partition("\n")[0].replace("`", "").rstrip(".:")]
        texts += [f"→ {names}"] if names else []
        label = short(room)
        for text in texts:
            for part in textwrap.wrap(text, WIDTH - 4 - NAME, subsequent_indent="  "):
                yield f"{label:{NAME}}{part}"
                label = ""


def short(room: str) -> str:
    """A room's name, as it is drawn."""
    return room.removeprefix("giambio.")


def room_of(module: str, structure: dict[str, Any]) -> str:
    """The room that a module belongs to."""
    rooms = {room for floor in structure["FLOORS"] for room in floor}
    while module not in rooms:
        module = module.rpartition(".")[0]
    return module


def imported_by(room: str, structure: dict[str, Any]) -> set[str]:
    """The other rooms that the modules of a room import when they are imported themselves."""
    return {
        room_of(imported, structure)
        for module in structure["MODULES"]
        if room_of(module, structure) == room
        for imported, within in structure["imports"](module)
        if not within
    } - {room}


def replaced(text: str) -> str:
    """Return the document's text with the diagram as it has to be."""
    before, begin, rest = text.partition(BEGIN)
    if not begin:
        raise SystemExit(f"{DOCUMENT} has no place for the diagram: {BEGIN!r}")
    after = rest[rest.index(END) :]
    return before + BEGIN + drawn() + after


if __name__ == "__main__":
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
