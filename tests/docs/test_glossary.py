"""docs/glossary.md: each term stands there once, and the modules it names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import giambio

GLOSSARY = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"
PACKAGE = Path(giambio.__file__).parent

ENTRIES = re.findall(r"^- \*\*(.+?)\*\*: (.+?)(?=^- |^$)", GLOSSARY.read_text(), re.M | re.S)


def test_there_are_entries() -> None:
    assert len(ENTRIES) > 40


def test_each_term_is_explained_once() -> None:
    terms = [term.strip().lower() for names, _ in ENTRIES for term in names.split(",")]
    assert [term for term in set(terms) if terms.count(term) > 1] == []


@pytest.mark.parametrize(("term", "text"), ENTRIES)
def test_its_modules_exist(term: str, text: str) -> None:
    modules = re.findall(r"`([\w/]+\.py)`", text)
    assert [module for module in modules if not (PACKAGE / module).is_file()] == []
