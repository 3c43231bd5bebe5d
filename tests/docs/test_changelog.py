"""Changelog fragments: their names say what they are, so that a release takes all of them.

CI's job "lint: changelog" has towncrier put them together.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CONFIGURATION = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["towncrier"]
FRAGMENTS = sorted(
    path for path in (CHECKOUT / "changelog.d").iterdir() if path.name != "README.md"
)
TYPES = [kind["directory"] for kind in CONFIGURATION["type"]]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment(fragment: Path) -> None:
    assert re.fullmatch(rf"(\d+|\+[\w-]+)\.({'|'.join(TYPES)})(\.\d+)?\.md", fragment.name)
    text = fragment.read_text()
    assert re.match("[A-Z`]", text)
    assert text.endswith(".\n")
    # In the changelog they are indented, and no line there has more than a hundred characters.
    assert [line for line in text.splitlines() if len(line) > 98] == []


def test_the_changelog_has_one_place_for_them() -> None:
    assert (CHECKOUT / "CHANGELOG.md").read_text().count(CONFIGURATION["start_string"]) == 1


def test_the_types_are_explained() -> None:
    explained = re.findall(
        r"^- `(\w+)`:", (CHECKOUT / "changelog.d" / "README.md").read_text(), re.M
    )
    assert explained == TYPES
