"""What `.ci/run` is made of: jobs that can be stopped, and Pythons that may be missing."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / ".ci"

pytestmark = pytest.mark.skipif(
    not SCRIPTS.exists(), reason="not a checkout: the source distribution has no .ci"
)
with_a_gil = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="a free-threaded Python is found by another module",
)


@pytest.fixture
def ci(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of `.ci`."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


def running(command: list[str], folder: Path) -> Callable[[Any], object]:
    """Return the work of a job: to run a command."""
    return lambda job: job.run(command, cwd=folder, env=os.environ, timeout=30)


def test_a_stopped_job_ends_its_command_and_begins_no_other(ci: Any, tmp_path: Path) -> None:
    jobs = ci("jobs")
    job = jobs.Job("a job", modest=False)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = ["sh", "-c", f"echo begun > {pipe}; exec sleep 1000"]
    errors: list[BaseException] = []

    def run() -> None:
        for words in (command, ["sleep", "1000"]):
            try:
                job.run(words, cwd=tmp_path, env=os.environ)
            except jobs.JobFailed as error:
                errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert pipe.read_text() == "begun\n"
    job.stop()
    thread.join(30)
    assert [f"exit code -{signal.SIGKILL:d}: " in str(error) for error in errors] == [True, True]


def test_a_modest_lane_leaves_the_machine_to_the_others(ci: Any, tmp_path: Path) -> None:
    jobs = ci("jobs")
    wait = ["sh", "-c", f"until [ $(nice) = {jobs.MODEST} ]; do sleep 0.01; done"]
    with jobs.Lane(1, modest=True) as lane:
        passed = jobs.Jobs().start(lane, "waits until it is nice", running(wait, tmp_path))
    assert passed.result()


def test_the_end_of_a_failed_job_is_told_again(ci: Any, tmp_path: Path) -> None:
    jobs = ci("jobs")
    all_jobs = jobs.Jobs()
    with jobs.Lane(1) as lane:
        all_jobs.start(lane, "fails", running(["sh", "-c", "seq 1000; exit 3"], tmp_path))
        all_jobs.start(lane, "passes", running(["true"], tmp_path))
    (failed,) = all_jobs.failed()
    heading, *lines, reason = failed.end().splitlines()
    assert heading == "== fails, to the end:"
    assert lines == [str(number) for number in range(1002 - jobs.END_LINES, 1001)]
    assert reason == "!! JobFailed: exit code 3: sh -c 'seq 1000; exit 3'"


@with_a_gil
def test_pythons_that_cannot_be_had_are_named_with_the_reason(
    ci: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons, debian = ci("pythons"), ci("debian")

    def entrance(folder: Path) -> tuple[str, ...]:
        raise ci("jobs").Unavailable("there is no mmdebstrap")

    monkeypatch.setattr(debian, "entrance", entrance)
    monkeypatch.setattr(pythons, "_candidates", lambda: [Path(sys.executable)])
    found = {python.short: python for python in pythons.find_pythons(tmp_path)}
    assert set(pythons.WANTED) <= set(found)
    here = found.pop("{}.{}".format(*sys.version_info))
    assert here.command == [sys.executable]
    assert here.of_environment(tmp_path) == [str(tmp_path / "bin" / "python")]
    for short, python in found.items():
        assert str(python) == short
        assert python.problem.endswith("cannot be had from Debian unstable: there is no mmdebstrap")


@with_a_gil
def test_pythons_of_debian_are_run_in_it(
    ci: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons, debian = ci("pythons"), ci("debian")
    # Stands for Debian: a command that begins with it runs our own Python, whatever it names.
    inside = tmp_path / "inside"
    inside.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} "$@"\n')
    inside.chmod(0o755)
    short = "{}.{}".format(*sys.version_info)
    monkeypatch.setattr(pythons, "WANTED", (short,))
    monkeypatch.setattr(debian, "VERSIONS", (short,))
    monkeypatch.setattr(debian, "entrance", lambda folder: (str(inside),))
    monkeypatch.setattr(pythons, "_candidates", lambda: [])
    (python,) = pythons.find_pythons(tmp_path)
    assert python.short == short
    assert not python.problem
    assert python.command == [str(inside), sys.executable]
    ran = subprocess.run([*python.command, "-c", "print(6)"], capture_output=True, text=True)
    assert ran.stdout == "6\n"
    assert python.of_environment(tmp_path)[0] == str(inside)
