"""AnyIO's own tests, with giambio in place of Trio: where does a program see a difference?

The tests run with the back ends asyncio and Trio, and then with asyncio and giambio. It fails if a
difference is not in ``anyio-differences.txt``, if that names one that is none any more, if the
list has grown, or if fewer of the others ran than with Trio. Nothing is skipped, deselected or
expected to fail.

Some of AnyIO's tests give a program a few seconds, which a busy machine may need for less, and
where there is no IPv6 they leave sockets behind, for which any later test may get the blame. So
each that ends differently runs once more, with both, and alone; that counts, and both is printed.

With ``--drop-in`` the tests for asyncio run instead, on asyncio's own loop and on giambio's drop-in
loop: there may be no difference at all.

    python tests/conformance/anyio_suite.py                      # everything: some six minutes
    python tests/conformance/anyio_suite.py -- tests/test_taskgroups.py -k cancel

It needs, in the environment that runs it, giambio, the version of AnyIO that is tested, Trio, and
what AnyIO's tests need (``--install`` gets all but giambio).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path

from comparison import CACHE, Results, differences, fetch, known_differences, run_suite, unpack

DIFFERENCES = Path(__file__).parent / "anyio-differences.txt"
#: How many may be in that list: as many as are. Ten was the limit when it was begun.
MOST_DIFFERENCES = 4
#: What none of them may be about.
NEVER = re.compile(r"cancel|task_?group|streams?\b|tls|ssl", re.IGNORECASE)
VERSION = "4.16.0"
NEEDED = (
    "blockbuster",
    "coverage[toml]",
    "hypothesis",
    "psutil",
    "pytest>=9,<9.2",  # AnyIO 4.14 takes what newer ones warn of for errors
    "pytest-mock",
    "pytest-timeout",
    "sniffio",
    "trustme",
    "truststore",
)
#: How many seconds one test may take, and all of them with one back end.
TEST_SECONDS = 60
SECONDS = 1200


def main() -> int:
    """Compare, and print the findings.

    Returns:
        The exit code: 0 if there are none.
    """
    options = parse()
    if options.install:
        install(options.version)
    if installed_version("anyio") != options.version:
        found = installed_version("anyio")
        sys.exit(f"AnyIO {options.version} is to be tested, and {found} is installed")
    with tempfile.TemporaryDirectory(prefix="anyio-conformance-") as folder:
        root = unpack(fetch("anyio", options.version, options.cache), Path(folder))
        if options.drop_in:
            # No names of back ends: both run the tests that have "asyncio" in their names.
            plugins: dict[str, str | None] = {"its-loop": None, "our-loop": "drop_in_loop"}
            chosen = ["-k", "asyncio and not uvloop", *options.pytest]
        else:
            plugins = {"trio": None, "giambio": "list_of_backends"}
            chosen = options.pytest
        run = partial(run_suite, root=root, seconds_per_test=TEST_SECONDS, seconds=SECONDS)
        theirs, ours = (
            run(backend, arguments=chosen, plugin=plugin) for backend, plugin in plugins.items()
        )
        if not options.drop_in and not any("giambio" in str(nodes) for nodes in ours.nodes.items()):
            sys.exit("none of the tests ran with giambio: the list of back ends was not set")
        for name in differences(theirs, ours):
            print(f"again: {name}: {theirs.ended(name)}, with giambio {ours.ended(name)}")
            for results, (backend, plugin) in zip((theirs, ours), plugins.items(), strict=True):
                if nodes := results.nodes[name]:
                    results.correct(name, run(backend, arguments=nodes, plugin=plugin))
    known = {} if options.drop_in else known_differences(DIFFERENCES)
    return judge(theirs, ours, known, partly=bool(options.pytest))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run AnyIO's own tests with Trio and with giambio, and compare.",
        epilog="Arguments after -- go to pytest; then only a part is compared.",
    )
    parser.add_argument("--version", default=VERSION, help="of AnyIO (default: %(default)s)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=CACHE,
        help="folder for the source distribution (default: %(default)s)",
    )
    parser.add_argument("--drop-in", action="store_true", help="compare the loops for asyncio")
    parser.add_argument("--install", action="store_true", help="first install what is needed")
    parser.add_argument("pytest", nargs="*", metavar="PYTEST", help="arguments for pytest")
    return parser.parse_args()


def install(version: str) -> None:
    """Install the requirements of AnyIO's tests into this environment."""
    command = [sys.executable, "-m", "pip", "install", "-q", f"anyio[trio]=={version}", *NEEDED]
    subprocess.run(command, check=True)


def judge(theirs: Results, ours: Results, known: dict[str, str], partly: bool) -> int:
    """Print the counts and the differences.

    Parameters:
        theirs, ours: what `run_suite` returned.
        known: the names of tests that differ, with the reasons.
        partly: whether not all the tests were to run, so that some differences cannot be seen.

    Returns:
        The exit code.
    """
    wrong = []
    for whose, results in (("without giambio", theirs), ("with giambio", ours)):
        print(f"{whose}: {results.ran()} ran, {results}")
    if ours.ran(but_for=known) < theirs.ran(but_for=known):
        wrong.append("fewer tests ran with giambio")
    different = differences(theirs, ours)
    for name in different:
        reason = known.get(name, "NOT EXPECTED")
        print(f"{name}: {theirs.ended(name)}, with giambio {ours.ended(name)}: {reason}")
        if name not in known:
            wrong.append(f"{name} is not in {DIFFERENCES.name}: {ours.messages.get(name)}")
    if not partly:
        wrong += [f"{name} is no difference any more" for name in known if name not in different]
    wrong += [f"{name} may not differ" for name in known if NEVER.search(name)]
    if len(known) > MOST_DIFFERENCES:
        wrong.append(f"{DIFFERENCES.name} has grown: {len(known)}, not {MOST_DIFFERENCES} at most")
    for problem in wrong:
        print(f"FAILED: {problem}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
