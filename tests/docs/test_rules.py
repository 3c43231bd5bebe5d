"""The rules of docs/semantics.md and the tests that cite them fit together.

A test cites a rule in its docstring, as in `Rule 5.3: …` or `Rules 5.3, 5.4: …`. Each number
cited is one of a rule's, and each rule is cited: a promise that no test looks at is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve()
#: The repository, wherever below its tests this module is.
ROOT = next((up for up in HERE.parents if (up / "docs" / "semantics.md").exists()), HERE.parent)
SEMANTICS = ROOT / "docs" / "semantics.md"

pytestmark = pytest.mark.skipif(
    not SEMANTICS.exists(), reason="docs/ is not here: an installed wheel is tested alone"
)

Number = tuple[int, int]

#: A rule, and a section, as they stand in docs/semantics.md.
RULE = re.compile(r"^- \*\*(\d+)\.(\d+)\*\* \S")
SECTION = re.compile(r"^## (\d+)\. \S")
#: A citation of one rule or of several.
CITATION = re.compile(r"\b[Rr]ules? (\d+\.\d+(?:(?:, | and |, and | to )\d+\.\d+)*)")
#: Documents that are not in the repository, in the form in which they were cited once.
UNKNOWN = re.compile(r"\b(?:DESIGN|SEMANTICS|HOUSE|ASYNCIO)\b(?:\.md\b|[,:] )|\b[Ii]ssue \d+[,:]")


def rules(text: str) -> list[Number]:
    """The numbers of the rules in a document, in its order."""
    found = [RULE.match(line) for line in text.splitlines()]
    return [(int(match[1]), int(match[2])) for match in found if match]


def misplaced(text: str) -> list[str]:
    """Errors in the numbering: sections and rules are counted from 1, without a gap."""
    problems = []
    section = rule = 0
    for line in text.splitlines():
        if match := SECTION.match(line):
            if int(match[1]) != section + 1:
                problems.append(f"section {match[1]} follows section {section}")
            section, rule = int(match[1]), 0
        elif match := RULE.match(line):
            if (int(match[1]), int(match[2])) != (section, rule + 1):
                problems.append(f"rule {match[1]}.{match[2]} follows rule {section}.{rule}")
            rule = int(match[2])
        elif line.startswith(("## ", "- **")):
            problems.append(f"neither a section nor a rule: {line}")
    return problems


def citations(text: str) -> list[Number]:
    """The numbers of the rules that a text cites."""
    return [
        (int(section), int(rule))
        for match in CITATION.finditer(text)
        for section, rule in re.findall(r"(\d+)\.(\d+)", match[1])
    ]


def unknown(known: Iterable[Number], text: str) -> list[str]:
    """Citations of rules that do not exist, and of documents that nobody can read."""
    known = set(known)
    return [
        f"rule {section}.{rule}"
        for section, rule in citations(text)
        if (section, rule) not in known
    ] + [match[0] for match in UNKNOWN.finditer(text)]


def uncited(known: Iterable[Number], texts: Iterable[str]) -> list[str]:
    """The rules that no text cites."""
    cited = {number for text in texts for number in citations(text)}
    return [f"rule {section}.{rule}" for section, rule in known if (section, rule) not in cited]


def files(folder: Path, *endings: str) -> Iterator[Path]:
    """The files below a folder whose names end so; this one cites what does not exist."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in endings and path != HERE:
            yield path


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_rules_are_numbered_in_order() -> None:
    text = read(SEMANTICS)
    assert rules(text)
    assert misplaced(text) == []


def test_every_rule_is_cited_by_a_test() -> None:
    assert uncited(rules(read(SEMANTICS)), map(read, files(ROOT / "tests", ".py"))) == []


def test_whatever_is_cited_exists() -> None:
    """Also in the sources, in the documents, in the benchmarks and examples."""
    known = rules(read(SEMANTICS))
    problems = {}
    for folder in ("tests", "src", "docs", "benchmarks", "examples", ".ci"):
        for path in files(ROOT / folder, ".py", ".pyx", ".pyi", ".pxd", ".md", ".rst"):
            if found := unknown(known, read(path)):
                problems[str(path.relative_to(ROOT))] = found
    assert problems == {}


def test_an_unknown_number_is_named() -> None:
    known = [(1, 1), (1, 2)]
    assert unknown(known, '"""Rules 1.1, 1.3: …"""  # see rule 2.1') == ["rule 1.3", "rule 2.1"]
    assert unknown(known, '"""Rule 1.2: … (Python 3.11, RFC 6.1)"""') == []


def test_a_document_that_nobody_can_read_is_named() -> None:
    assert unknown([], '"""SEMANTICS, Parking: …"""') == ["SEMANTICS, "]
    assert unknown([], '"""Issue 3, Helpers: …"""  # see DESIGN.md') == ["Issue 3,", "DESIGN.md"]
    assert unknown([], "docs/design.md, [design](design.md)") == []


def test_an_uncited_rule_is_named() -> None:
    known = [(1, 1), (1, 2), (2, 1), (2, 2)]
    texts = ['"""Rule 1.2: …"""', '"""Rules 2.1 and 1.1: …"""']
    assert uncited(known, texts) == ["rule 2.2"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("## 1. A\n- **1.2** x", "rule 1.2 follows rule 1.0"),
        ("## 1. A\n- **1.1** x\n- **1.1** x", "rule 1.1 follows rule 1.1"),
        ("## 1. A\n- **1.1** x\n- **1.3** x", "rule 1.3 follows rule 1.1"),
        ("## 1. A\n- **2.1** x", "rule 2.1 follows rule 1.0"),
        ("## 1. A\n## 3. B", "section 3 follows section 1"),
        ("## 1. A\n- **1.1 x**", "neither a section nor a rule: - **1.1 x**"),
    ],
)
def test_a_number_that_is_out_of_order_is_named(text: str, problem: str) -> None:
    assert misplaced(text) == [problem]
