"""The tests of the real network pass on the simulated one, too, unchanged.

They say what a socket does, and a simulated one has to do the same. `conftest` collects those
of the modules below that run something, as a part of this one; `exceptions.txt` has a reason for
each that cannot pass, and it is an error if one of these passes.
"""

from __future__ import annotations

import importlib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

MODULES = [
    "test_lingering",
    "test_many_connections",
    "test_readiness",
    "test_serve_stopping",
    "test_serve_tcp",
    "test_serve_tcp_faults",
    "test_socket_basics",
    "test_socket_faults",
    "test_socket_lifetime",
    "test_tcp",
    "test_tcp_listeners",
    "test_tls_data",
    "test_tls_handshake",
    "test_tls_openssl",
    "test_udp",
    "test_unix",
]


class Exempt(NamedTuple):
    """A line of the list of exceptions."""

    pattern: str
    reason: str
    is_tried: bool


def exceptions() -> list[Exempt]:
    """The lines of the list."""
    text = Path(__file__).with_name("exceptions.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    parts = [(line, *line.removeprefix("- ").split(": ", 1)) for line in lines]
    return [Exempt(name, reason, not line.startswith("-")) for line, name, reason in parts]


EXCEPTIONS = exceptions()


def mark_of(test: str) -> pytest.MarkDecorator | None:
    """The mark of a test that is an exception: it has to fail, as ``xfail_strict`` is set."""
    for pattern, reason, is_tried in EXCEPTIONS:
        if fnmatchcase(test, pattern.replace("[", "[[]")):
            return pytest.mark.xfail(reason=reason, run=is_tried)
    return None


@pytest.mark.parametrize("pattern", [exempt.pattern for exempt in EXCEPTIONS])
def test_an_exception_is_a_test(pattern: str) -> None:
    module, _, name = pattern.partition("::")
    function = name.partition("[")[0]
    assert module in MODULES
    tests = vars(importlib.import_module(f"net.{module}"))
    assert any(fnmatchcase(test, function) for test in tests), f"no test is {pattern}"
