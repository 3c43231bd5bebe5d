"""The tables in docs/tested-like are complete, and the tests that they name exist.

Each table is about one file of tests of another project, which its heading names. Where that
project is installed, every test function of the file must stand in the table.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parents[1]
TABLES = TESTS.parent / "docs" / "tested-like"

pytestmark = pytest.mark.skipif(
    not TABLES.exists(), reason="the documents are not here: an installed wheel is tested alone"
)

#: The newest version of each project that the tables were made from.
NEWEST = {"trio": "0.35.0", "test_asyncio": "3.13"}

OURS = re.compile(r"`tests/(\w+/\w+\.py)::(\w+)`")


class Row(NamedTuple):
    """One test of theirs, and what the table says to it."""

    document: str
    heading: str
    theirs: str
    ours: str


def rows() -> Iterator[Row]:
    """All rows of all tables."""
    for document in sorted(TABLES.glob("*.md")):
        heading = ""
        for line in document.read_text(encoding="utf-8").splitlines():
            if line.startswith("## "):
                heading = line.removeprefix("## ")
            elif line.startswith("| `"):
                theirs, _, ours = line.strip("| ").partition(" | ")
                yield Row(document.name, heading, theirs.strip("`"), ours)


ROWS = list(rows()) if TABLES.exists() else []
HEADINGS = sorted({(row.document, row.heading) for row in ROWS})


def test_functions(path: Path) -> set[str]:
    """The test functions of a file; those of a class with its name before them."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found.update(f"{node.name}.{name}" for name in test_names(node.body))
        else:
            found.update(test_names([node]))
    return found


test_functions.__test__ = False  # type: ignore[attr-defined]


def test_names(nodes: list[ast.stmt]) -> list[str]:
    """The names of those statements that define a test."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        node.name for node in nodes if isinstance(node, functions) and node.name.startswith("test_")
    ]


test_names.__test__ = False  # type: ignore[attr-defined]


def their_file(heading: str) -> Path:
    """Where a file of theirs is installed; the test is skipped if it is not."""
    project = heading.partition("/")[0]
    package = {"test_asyncio": "test"}.get(project, project)
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    folder = Path(spec.submodule_search_locations[0])
    path = folder / heading if package != project else folder.parent / heading
    if not path.exists():
        pytest.skip(f"{heading} is not installed")
    if version_of(project) > version_tuple(NEWEST[project]):
        pytest.skip(f"this {project} is newer than the table, which is of {NEWEST[project]}")
    return path


def version_of(project: str) -> tuple[int, ...]:
    """Which version is installed here."""
    if project == "test_asyncio":
        return sys.version_info[:2]
    from importlib.metadata import version

    return version_tuple(version(project))


def version_tuple(version: str) -> tuple[int, ...]:
    """A version as numbers, to be compared."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def test_there_are_tables() -> None:
    """The tests below look at something."""
    assert {"tasks.md", "channels.md"} <= {row.document for row in ROWS}
    assert len(ROWS) > 200


@pytest.mark.parametrize("document", sorted({row.document for row in ROWS}))
def test_every_test_of_ours_that_a_table_names_exists(document: str) -> None:
    """Rule 21.6: the tests that a table names exist."""
    named = {found for row in ROWS if row.document == document for found in OURS.findall(row.ours)}
    assert named
    here = {
        str(path.relative_to(TESTS)): test_functions(path) for path in TESTS.glob("*/test_*.py")
    }
    assert sorted(one for one in named if one[1] not in here.get(one[0], set())) == []


@pytest.mark.parametrize("document", sorted({row.document for row in ROWS}))
def test_every_row_has_a_test_of_ours_or_a_reason(document: str) -> None:
    """Rule 21.6: one row per test of theirs, with ours or the reason why not."""
    reason = re.compile(r"not applicable: .{20,}")
    without = [
        row.theirs
        for row in ROWS
        if row.document == document and not (OURS.match(row.ours) or reason.fullmatch(row.ours))
    ]
    assert without == []


@pytest.mark.parametrize(("document", "heading"), HEADINGS)
def test_no_test_of_theirs_stands_in_a_table_twice(document: str, heading: str) -> None:
    theirs = [row.theirs for row in ROWS if (row.document, row.heading) == (document, heading)]
    assert sorted(set(theirs)) == sorted(theirs)


@pytest.mark.parametrize(("document", "heading"), HEADINGS)
def test_no_test_of_theirs_is_missing(document: str, heading: str) -> None:
    """Rule 21.6: test function by test function."""
    theirs = test_functions(their_file(heading))
    assert theirs
    in_table = {row.theirs for row in ROWS if (row.document, row.heading) == (document, heading)}
    assert sorted(theirs - in_table) == []
