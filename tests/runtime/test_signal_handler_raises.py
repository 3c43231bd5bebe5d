"""A signal handler of the program's own that raises, at random moments."""

from __future__ import annotations

from support.programs import run_beside

#: Moments that are tried in one run of the suite.
MOMENTS = 200


def test_every_finally_runs_and_nobody_is_blamed() -> None:
    """Rule 1.18, in a process of its own."""
    ended = run_beside(__file__, "interrupted.py", "0", str(MOMENTS), seconds=50)
    assert ended.stdout == "done\n", ended.stdout + ended.stderr
