"""What counts as a line of code, for the table that CI prints."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci" / "count_lines.py"

pytestmark = pytest.mark.skipif(
    not SCRIPT.exists(), reason="not a checkout: the source distribution has no .ci"
)

PYTHON = '''\
"""A module.

With a docstring of three lines.
"""

import sys  # counts


class Example:
    """A class."""

    #: An attribute.
    text = """
    a string that is no docstring
    """

    def method(
        self,
    ) -> str:
        "A docstring in single quotes."
        return f"""{
            sys.platform
        }"""
'''
CYTHON = '''\
# platform: linux
"""A native module."""

cdef extern from "errno.h":
    int errno


cdef class Native:
    """A class."""

    cdef int number

    cdef inline int next(self) noexcept nogil:
        return <int> self.number + 1
'''


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", 0),
        ("# a comment\n\n", 0),
        ('"""A docstring."""', 0),
        ("pass", 1),
        ("a = 1; b = 2\n", 1),
        (PYTHON, 11),
        (CYTHON, 6),
    ],
)
def test_only_lines_of_code_count(script: dict[str, Any], text: str, lines: int) -> None:
    count: Callable[[str], int] = script["count"]
    assert count(text) == lines


def test_the_table_has_a_line_for_each_package(script: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "inner" / "deeper").mkdir(parents=True)
    (tmp_path / "top.py").write_text(PYTHON)
    (tmp_path / "inner" / "native.pyx").write_text(CYTHON)
    (tmp_path / "inner" / "native.pxd").write_text("cdef int one\n")
    (tmp_path / "inner" / "deeper" / "stub.pyi").write_text("x: int\ny: int\n")
    (tmp_path / "inner" / "notes.txt").write_text("not code\n")
    table = script["table"](script["count_packages"](tmp_path))
    assert table.splitlines() == [
        "package   .py  .pyx  .pyi  .pxd   code",
        ".          11     0     0     0     11",
        "inner       0     6     2     1      6",
        "total      11     6     2     1     17",
    ]
