"""Programs of the system that are on the other side in a test: `openssl`, `curl`."""

from __future__ import annotations

import os
import shutil

import pytest

#: Set to "required" where a test must not be skipped for want of a program.
REQUIRED = os.environ.get("GIAMBIO_TEST_PROGRAMS") == "required"


def program(name: str) -> str:
    """The path of a program; a test that needs one which is not installed is skipped."""
    path = shutil.which(name)
    if path is None:
        (pytest.fail if REQUIRED else pytest.skip)(f"there is no {name} here: please install it")
    return path
