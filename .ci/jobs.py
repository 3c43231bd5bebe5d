"""Runs jobs side by side, keeps their output apart, and sums up how they went."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

PASSED, FAILED, ABSENT = "passed", "FAILED", "NOT CHECKED"
#: How nice a modest job is to the others.
MODEST = 15
#: How much of a failed job's report is printed once more at the end, for those who see that only.
END_LINES = 40
#: Where what takes minutes to make stays for the next run.
CACHE = Path(os.environ.get("GIAMBIO_CI_CACHE") or Path.home() / ".cache" / "giambio-ci")


def environment(**variables: str) -> dict[str, str]:
    """Return the environment without what would change a build, an import or a test."""
    swayed = ("GIAMBIO_", "PYTHON", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(swayed)}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"} | variables


class JobFailed(Exception):
    """A job found something wrong; the message says what."""


class Unavailable(Exception):
    """What a job needs cannot be had here, so it checks nothing; the message says why."""


class Job:
    """One line of the final table: some commands, whose output is printed in one piece."""

    def __init__(self, name: str, *, modest: bool) -> None:
        self.name = name
        self.modest = modest
        self.state = FAILED
        self.seconds = 0.0
        self._printed: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def say(self, text: str) -> None:
        self._printed.append(text.rstrip("\n"))

    def run(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout: float = 300,
    ) -> str:
        """Run a command, show what it prints, and return that.

        Raises:
            JobFailed: it failed, took longer than `timeout` seconds, or was stopped.
        """
        self.say(f"$ {shlex.join(command)}")
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._process = process
        if self.modest:
            give_way(process.pid)
        if self._stopped:  # meanwhile, or before
            self.stop()
        try:
            printed, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._kill()
            printed, _ = process.communicate()
            self.say(printed)
            raise JobFailed(f"no end after {timeout:.0f} seconds") from None
        self.say(printed)
        if process.returncode:
            raise JobFailed(f"exit code {process.returncode}: {shlex.join(command)}")
        return printed

    def stop(self) -> None:
        """End its command, and all that come after it, as failures."""
        self._stopped = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def report(self) -> str:
        heading = f"== {self.name}: {self.state}, {self.seconds:.0f} s"
        return "\n".join(["", heading, *self._printed])

    def end(self) -> str:
        """Return the last lines of the report, where the reason of a failure stands."""
        lines = "\n".join(self._printed).splitlines()[-END_LINES:]
        return "\n".join([f"== {self.name}, to the end:", *lines])


def give_way(process: int) -> None:
    """Let a session, begun by a process, have what the others leave of the machine."""
    with suppress(OSError):  # it has ended already
        os.setpriority(os.PRIO_PGRP, process, MODEST)
        # Linux may weigh whole sessions: then what counts is this.
        Path(f"/proc/{process}/autogroup").write_text(str(MODEST))


class Lane(ThreadPoolExecutor):
    """Does jobs in order, some at once.

    Parameters:
        at_once: how many.
        modest: whether they take only what the other lanes leave of the machine.
    """

    def __init__(self, at_once: int, *, modest: bool = False) -> None:
        super().__init__(at_once)
        self.modest = modest


class Jobs:
    """All jobs of a run, in the order in which they were started."""

    def __init__(self) -> None:
        self.all: list[Job] = []
        self._printing = threading.Lock()

    def start(self, lane: Lane, name: str, work: Callable[[Job], None]) -> Future[bool]:
        """Have a lane do a job; the future tells whether it passed."""
        job = Job(name, modest=lane.modest)
        self.all.append(job)
        return lane.submit(self._do, job, work)

    def _do(self, job: Job, work: Callable[[Job], None]) -> bool:
        begin = time.monotonic()
        try:
            work(job)
            job.state = PASSED
        except Unavailable as reason:
            job.state = ABSENT
            job.say(f"!! {reason}")
        except Exception as error:
            job.say(f"!! {type(error).__name__}: {error}")
        job.seconds = time.monotonic() - begin
        with self._printing:
            print(job.report(), flush=True)
        return job.state == PASSED

    def stop(self) -> None:
        """End all that run, and let none begin that is waiting."""
        for job in self.all:
            job.stop()

    def summary(self) -> str:
        width = max(len(job.name) for job in self.all)
        return "\n".join(
            f"{job.name:{width}}  {job.seconds:4.0f} s  {job.state}" for job in self.all
        )

    def failed(self) -> list[Job]:
        return [job for job in self.all if job.state == FAILED]
