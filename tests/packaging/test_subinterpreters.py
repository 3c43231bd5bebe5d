"""Interpreters beside the main one, with its GIL (such as those of mod_wsgi) or their own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

import giambio

CODE = """
import giambio

async def echo(one):
    with one:
        await one.send_all(await one.receive())

async def main():
    one, other = giambio.socketpair()
    async with giambio.TaskManager() as manager:
        manager.start_soon(giambio.sleep, 0)
        manager.start_soon(echo, one)
        with other:
            await other.send_all(b"echo")
            assert await other.receive() == b"echo"
    return await giambio.to_thread(lambda: "of a thread")

print(giambio.build_info().build, giambio.run(main), flush=True)
"""

#: Runs code in an interpreter of its own, twice, one after the other.
SHARED_GIL = """
import _testcapi
for _ in range(2):
    if _testcapi.run_in_subinterp(code):
        sys.exit("the subinterpreter failed")
"""
OWN_GIL = """
try:
    import _interpreters
    run = _interpreters.exec
except ImportError:
    import _xxsubinterpreters as _interpreters
    run = _interpreters.run_string
for _ in range(2):
    interpreter = _interpreters.create()
    if failed := run(interpreter, code):
        sys.exit(failed.errdisplay)
    _interpreters.destroy(interpreter)
"""


@pytest.mark.parametrize(
    "run_twice",
    [
        pytest.param(
            SHARED_GIL,
            marks=pytest.mark.skipif(
                importlib.util.find_spec("_testcapi") is None,
                reason="this Python lacks _testcapi, which makes interpreters",
            ),
            id="with the GIL of all",
        ),
        pytest.param(
            OWN_GIL,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 12), reason="all interpreters share one GIL"
            ),
            id="with a GIL of their own",
        ),
    ],
)
def test_a_subinterpreter_runs_the_pure_build_and_leaves_the_main_one_alone(
    run_twice: str,
) -> None:
    """Rule 20.13. First two others, one after the other, then the main interpreter."""
    code = f"import sys; sys.path[:] = {sys.path!r}\n{CODE}"
    program = f"import sys\ncode = {code!r}\n{run_twice}\nexec(code)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert ended.stderr == ""
    build = giambio.build_info().build
    expected = ["pure of a thread", "pure of a thread", f"{build} of a thread"]
    assert ended.stdout.splitlines() == expected
    assert ended.returncode == 0
