"""Interpreters beside the main one that share its GIL, such as those of mod_wsgi."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

import giambio

CODE = """
import giambio

async def main():
    async with giambio.TaskManager() as manager:
        manager.start_soon(giambio.sleep, 0)
    return await giambio.to_thread(lambda: "of a thread")

print(giambio.build_info().build, giambio.run(main))
"""

PROGRAM = f"""
import sys
import _testcapi

code = {CODE!r}
for _ in range(2):
    if _testcapi.run_in_subinterp(f"import sys; sys.path[:] = {{sys.path!r}}\\n{{code}}"):
        sys.exit("the subinterpreter failed")
exec(code)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None,
    reason="this Python lacks _testcapi, which makes interpreters",
)
def test_a_subinterpreter_runs_the_pure_build_and_leaves_the_main_one_alone() -> None:
    """First two others, one after the other, then the main interpreter."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=50, check=False
    )
    assert ended.stderr == ""
    build = giambio.build_info().build
    expected = ["pure of a thread", "pure of a thread", f"{build} of a thread"]
    assert sorted(ended.stdout.splitlines()) == sorted(expected)
    assert ended.returncode == 0
