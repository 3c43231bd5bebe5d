"""CPython's own tests of asyncio, with giambio's loop in place of asyncio's.

The tests are those of the Python that runs this (`test.test_asyncio`). They run twice, with
asyncio's loop and with `giambio.asyncio.EventLoop`, which a worker process puts in place wherever
asyncio makes a loop. Only tests that made such a loop count. It fails if one that passes on
asyncio fails on giambio and is not in ``asyncio-differences.txt`` with a reason, if that list names
one that passes, or if fewer tests counted than are expected of this Python.

    python tests/conformance/asyncio_suite.py                       # all modules
    python tests/conformance/asyncio_suite.py test_tasks test_ssl   # some
    python tests/conformance/asyncio_suite.py test_tasks -- CTask_CFuture   # of which some tests

It needs giambio in the environment that runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

DIFFERENCES = Path(__file__).parent / "asyncio-differences.txt"
#: How many differences may be in that list.
MOST_DIFFERENCES = 10
#: The tests that have to count, by the version of Python: some fewer than do where IPv6 is.
EXPECTED = {"3.11": 1100, "3.12": 1190, "3.13": 1270}
#: Modules that are about other systems, or about no loop.
WITHOUT = ("test_proactor_events", "test_windows_events", "test_windows_utils")
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
#: How many seconds one module may take.
SECONDS = 600


def main() -> int:
    """Compare, and print the findings.

    Returns:
        The exit code: 0 if there are none.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="by default all")
    parser.add_argument("--worker", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--loop", choices=["asyncio", "giambio"], help=argparse.SUPPRESS)
    arguments, patterns = parser.parse_known_args()
    patterns = [pattern for pattern in patterns if pattern != "--"]
    if arguments.worker:
        return work(arguments.modules[0], arguments.loop, Path(arguments.worker), patterns)
    modules = arguments.modules or all_modules()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(module, loop) for module in modules for loop in ("asyncio", "giambio")]
        results = dict(zip(jobs, pool.map(lambda job: run(*job, patterns), jobs), strict=True))
    known = {} if patterns or arguments.modules else known_differences()
    return report(modules, results, known, whole=not (patterns or arguments.modules))


def report(
    modules: list[str],
    results: dict[tuple[str, str], dict[str, Any]],
    known: dict[str, str],
    whole: bool,
) -> int:
    """Print what was found; return the exit code."""
    counted = 0
    differences: dict[str, str] = {}
    for module in modules:
        theirs, ours = results[module, "asyncio"], results[module, "giambio"]
        here = [name for name, (outcome, *_) in ours.items() if outcome != "skipped"]
        counted += sum(ours[name][1] for name in here)
        for name, (outcome, *_) in theirs.items():
            if outcome == "passed" and ours.get(name, ["missing"])[0] != "passed":
                differences[name] = (ours.get(name) or ["", 0, "it did not end"])[2]
        print(f"{module}: {len(theirs)} with asyncio, {len(ours)} with giambio", flush=True)
    unknown = sorted(differences.keys() - known.keys())
    for name in unknown:
        print(f"\n{name} passes on asyncio only:\n{differences[name]}")
    passing = sorted(known.keys() - differences.keys())
    for name in passing:
        print(f"\n{name} is in {DIFFERENCES.name}, and passes")
    least = EXPECTED.get(VERSION, 1200) if whole else 0
    print(f"\n{counted} tests made a loop of giambio's (at least {least} have to)")
    print(f"{len(differences)} pass on asyncio only, {len(unknown)} of them without a reason")
    return bool(unknown or passing or counted < least or len(known) > MOST_DIFFERENCES)


def all_modules() -> list[str]:
    """Return the names of the test modules of this Python, the longest first."""
    import test.test_asyncio

    folder = Path(test.test_asyncio.__file__).parent
    files = sorted(folder.glob("test_*.py"), key=lambda file: -file.stat().st_size)
    return [file.stem for file in files if file.stem not in WITHOUT]


def known_differences() -> dict[str, str]:
    """Return the tests in the list of differences of this Python, with their reasons."""
    known = {}
    for line in DIFFERENCES.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition(": ")
            versions, _, name = name.rpartition(" ")
            if not versions or f"{sys.version_info[0]}.{sys.version_info[1]}" in versions.split(
                ","
            ):
                known[name] = reason
    return known


def run(module: str, loop: str, patterns: list[str]) -> dict[str, Any]:
    """Run one module in a process of its own; return its tests with their outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.json")
        command = [sys.executable, __file__, module, "--worker", str(results), "--loop", loop]
        try:
            done = subprocess.run(
                [*command, "--", *patterns], timeout=SECONDS, capture_output=True, text=True
            )
            output = done.stdout + done.stderr
        except subprocess.TimeoutExpired as exc:
            output = f"{module} took longer than {SECONDS} s\n{exc.stderr!r}"
        lines = results.read_text().splitlines() if results.exists() else []
        outcomes = dict(json.loads(line) for line in lines if line != '"end"')
        if not lines or lines[-1] != '"end"':
            # With asyncio that counts as passed, so neither may come to this.
            outcome = "passed" if loop == "asyncio" else "error"
            outcomes[f"{module} as a whole"] = (outcome, False, f"with {loop}: {output[-3000:]}")
        return outcomes


# -- in the worker ---------------------------------------------------------------------


def work(module: str, loop: str, results: Path, patterns: list[str]) -> int:
    """Run one module's tests, and write down how they end, each at once."""
    # A shell starts what it runs in the background with Ctrl-C ignored, which some tests send.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    made = put_in_place(loop)
    with results.open("w", buffering=1) as file:
        loader = unittest.defaultTestLoader
        loader.testNamePatterns = [f"*{pattern}*" for pattern in patterns] or None
        suite = loader.loadTestsFromName(f"test.test_asyncio.{module}")
        unittest.TextTestRunner(
            resultclass=lambda *args, **options: Noting(file, made, *args, **options), verbosity=2
        ).run(suite)
        file.write('"end"\n')
    return 0


def put_in_place(name: str) -> list[object]:
    """Have asyncio make loops of one kind wherever it makes one; return the list of them."""
    made: list[object] = []
    base: Any = asyncio.SelectorEventLoop
    if name == "giambio":
        import giambio.asyncio

        base = giambio.asyncio.EventLoop

    class Loop(base):  # type: ignore[misc]
        def __init__(self, selector: Any = None) -> None:
            made.append(None)
            if name == "asyncio":
                super().__init__(selector)
            elif selector is None:
                super().__init__()
            else:
                selector.close()
                kind = type(selector).__name__
                super().__init__(driver="epoll" if kind == "EpollSelector" else "selectors")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.14, about policies
        policy: Any = type(asyncio.get_event_loop_policy())
    for module in (asyncio, asyncio.unix_events):
        for attribute in ("SelectorEventLoop", "EventLoop"):
            if hasattr(module, attribute):
                setattr(module, attribute, Loop)
    policy._loop_factory = Loop
    return made


class Noting(unittest.TextTestResult):
    """A test result that writes down each test: its outcome, and whether it made a loop."""

    def __init__(self, file: Any, made: list[object], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.file, self.made = file, made
        self.outcome, self.message = "passed", ""

    def startTest(self, test: unittest.TestCase) -> None:
        """A test begins."""
        super().startTest(test)
        self.outcome, self.message = "passed", ""
        self.made.clear()

    def stopTest(self, test: unittest.TestCase) -> None:
        """A test has ended."""
        row = (test.id(), (self.outcome, bool(self.made), self.message[-2500:]))
        self.file.write(json.dumps(row) + "\n")
        super().stopTest(test)

    def addError(self, test: Any, err: Any) -> None:
        """It ended with an error."""
        super().addError(test, err)
        self.outcome, self.message = "error", self.errors[-1][1]

    def addFailure(self, test: Any, err: Any) -> None:
        """It failed."""
        super().addFailure(test, err)
        self.outcome, self.message = "failure", self.failures[-1][1]

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        """A part of it has ended."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcome, self.message = "failure", self._exc_info_to_string(err, test)

    def addSkip(self, test: Any, reason: str) -> None:
        """It was skipped."""
        super().addSkip(test, reason)
        self.outcome = "skipped"


if __name__ == "__main__":
    sys.exit(main())
