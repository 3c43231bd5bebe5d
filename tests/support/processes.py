"""What the tests of processes share: programs to start, and whether anything is left of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

#: How the end of a child is noticed: by its descriptor, or by looking now and then.
WATCHES = ["descriptor", "looking"] if hasattr(os, "pidfd_open") else ["looking"]


def python(program: str, *arguments: str) -> list[str]:
    """The command that runs a Python program."""
    return [sys.executable, "-c", program, *arguments]


def has_children() -> bool:
    """Tell whether this process has children, living ones or zombies."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def lives(pid: int) -> bool:
    """Tell whether there is a process of that number, if only a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def no_child_is_left() -> Iterator[None]:
    """A test leaves no process behind, not even a zombie."""
    assert not has_children()
    yield
    assert not has_children()


@pytest.fixture(params=WATCHES)
def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of noticing the end of a child in turn."""
    if request.param == "looking":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    name: str = request.param
    return name
