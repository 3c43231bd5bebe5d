"""The patches for other libraries that docs/anyio.md proposes, applied to copies of them."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "anyio.md"


def patched(folder: Path, *packages: str) -> None:
    """Copy the packages that are installed, and apply the patches of the document to the copies.

    A program finds them if the folder comes first in its path. The test is skipped where the
    document is not there.
    """
    if not DOCUMENT.exists():
        pytest.skip("the documents are not here")
    diffs = re.findall(r"^```diff\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    for package in packages:
        installed = Path(importlib.import_module(package).__path__[0])
        shutil.copytree(installed, folder / package)
        own = [diff for diff in diffs if f"\n+++ b/{package}/" in diff]
        assert own, f"no patch for {package}"
        for diff in own:
            _apply(folder, diff)


def _apply(folder: Path, diff: str) -> None:
    (name,) = re.findall(r"^\+\+\+ b/(.*)$", diff, re.MULTILINE)
    file = folder / name
    new = diff.startswith("--- /dev/null\n")
    assert file.exists() != new, f"{name} is there, or is not"
    text = "" if new else file.read_text()
    for hunk in re.split(r"^@@ .*\n", diff, flags=re.MULTILINE)[1:]:
        lines = hunk.splitlines(keepends=True)
        before, after = (
            "".join(line[1:] for line in lines if line[0] in (" ", sign)) for sign in "-+"
        )
        assert new or text.count(before) == 1, f"the patch does not fit any more:\n{before}"
        text = after if new else text.replace(before, after)
    file.write_text(text)
