"""The reference in docs/api/: it has every public name, once.

CI builds it, with warnings as errors: `docs: build` in `.ci/check.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

import giambio
import giambio.asyncio
import giambio.testing

PAGES = Path(__file__).resolve().parents[2] / "docs" / "api"
DIRECTIVE = re.compile(
    r"^\.\. (?:(currentmodule)|auto(?:class|exception|function)):: (\S+)$", re.MULTILINE
)

pytestmark = pytest.mark.skipif(not PAGES.exists(), reason="the documentation is not here")


def documented() -> dict[str, list[str]]:
    """The names on the pages, for each module."""
    names: dict[str, list[str]] = defaultdict(list)
    for page in sorted(PAGES.glob("*.rst")):
        module = ""
        for is_module, name in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            if is_module:
                module = name
            else:
                names[module].append(name)
    return names


def test_the_reference_has_every_public_name_once() -> None:
    """The reference, generated from the sources, has every public name once."""
    names = documented()
    assert sorted(names["giambio.testing"]) == giambio.testing.__all__
    assert sorted(names["giambio.asyncio"]) == sorted(giambio.asyncio.__all__)
    assert names["giambio.integrations.prometheus"] == ["LoopCollector"]
    assert names["giambio.integrations.opentelemetry"] == ["observe_loops"]
    # What `build_info` returns has no public name: nobody makes one.
    assert sorted(set(names["giambio"]) - {"giambio._build.info.BuildInfo"}) == giambio.__all__
    assert len(names["giambio"]) == len(giambio.__all__) + 1


def test_every_page_is_in_the_contents() -> None:
    contents = (PAGES / "index.rst").read_text(encoding="utf-8").split()
    pages = {page.stem for page in PAGES.glob("*.rst")} - {"index"}
    assert pages <= set(contents)
