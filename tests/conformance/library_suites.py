"""The own tests of libraries that run on AnyIO, with giambio in place of Trio.

They must pass on giambio wherever they pass on Trio, at the first run: what fails on giambio alone
and is not in ``library-differences.txt`` with a reason, or is there without failing, ends this
with exit code 1. All tests of a suite that are asynchronous run on the back end that is tested,
also those that the library itself runs on asyncio only.

    python tests/conformance/library_suites.py                       # all
    python tests/conformance/library_suites.py --fast                # the fast ones, for CI
    python tests/conformance/library_suites.py httpcore -- -k cancel

It needs giambio in the environment that runs it; ``--install`` gets the rest.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from comparison import CACHE, Results, fetch, known_differences, run_suite, unpack

DIFFERENCES = Path(__file__).parent / "library-differences.txt"
#: Timeouts of one test and of one suite, in seconds.
TEST_SECONDS = 60
SUITE_SECONDS = 3600
#: What more than one of the suites needs.
NEEDED = (
    *("sniffio", "trio==0.35.*", "anyio>=4.14,<5", "pytest>=9.1,<9.2", "pytest-timeout"),
    *("blockbuster", "dirty-equals", "inline-snapshot", "opentelemetry-sdk", "trustme", "uvicorn"),
)
MCP_SUBSCRIPTIONS = "tests/docs_src/test_subscriptions.py"


@dataclass(frozen=True)
class Suite:
    """One library's tests.

    Attributes:
        project, version: the source distribution.
        package: folder of the library's source in it. It is removed, for the installed one is
            what is tested.
        extras: the extras of the project that its tests need.
        needed: other projects that its tests need.
        options: for pytest, beside `tests`.
        fast: whether it runs in CI.
    """

    project: str
    version: str
    package: str
    extras: str = ""
    needed: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    fast: bool = True

    @property
    def requirement(self) -> str:
        return f"{self.project}[{self.extras}]=={self.version}"


SUITES = (
    Suite("httpcore", "1.0.9", "httpcore", "http2,socks", ("pytest-httpbin",)),
    Suite("httpx", "0.28.1", "httpx", "http2,socks,brotli,zstd,cli", ("chardet", "cryptography")),
    Suite("starlette", "1.10.0", "starlette", "full", ("httpx2[zstd]", "pytest-codspeed")),
    Suite("asyncer", "0.0.18", "asyncer", needed=("typer",)),
    Suite(
        "watchfiles",
        "1.3.0",
        "watchfiles",
        needed=("pytest-mock",),
        # Its own timeout of ten seconds is short on a busy machine, and warnings are errors there.
        options=("-o", "timeout=60", "-W", "ignore::pytest.PytestRemovedIn10Warning"),
    ),
    Suite(
        "sse-starlette",
        "3.7.0",
        "sse_starlette",
        needed=("asgi-lifespan", "fastapi", "httpx2", "portend", "psutil", "tenacity"),
        # Both import a module of its tests that the source distribution lacks.
        options=("--ignore=tests/test_issue167.py", "--ignore=tests/test_sse.py"),
    ),
    Suite(
        "fastapi",
        "0.165.0",
        "fastapi",
        "all",
        (
            *("flask", "logfire", "opentelemetry-instrumentation-fastapi", "orjson", "pyjwt"),
            *("pwdlib[argon2]", "sentry-sdk", "sqlmodel", "strawberry-graphql", "ujson", "a2wsgi"),
            *("mypy", "python-slugify", "pytest-codspeed", "pytest-xdist"),
        ),
        fast=False,
    ),
    Suite(
        "mcp",
        "2.3.0",
        "src",
        "cli",
        ("coverage", "logfire", "pillow", "pydantic-settings", "pytest-examples", "pytest-xdist"),
        (
            # The first are about the tools that make its documentation, the second about a package
            # that is not in the source distribution.
            *("--ignore=tests/docs", "--ignore=tests/examples", "-o", "log_cli=false"),
            # Waits until all tasks are blocked, not for the thread that one of them has started;
            # on Trio it fails every other time.
            f"--deselect={MCP_SUBSCRIPTIONS}::test_follow_board_prints_the_refetched_board_and"
            "_the_new_tool_list",
            # Needs asyncio. A coroutine that it leaves behind fails whatever test runs later.
            f"--deselect={MCP_SUBSCRIPTIONS}::test_the_asyncio_watcher_runs_beside_the_main_flow",
        ),
        fast=False,
    ),
)


def main() -> int:
    """Run the suites that were asked for, and print the findings.

    Returns:
        The exit code: 0 if there are none.
    """
    options = parse()
    suites = [
        suite
        for suite in SUITES
        if (
            suite.project in options.projects
            if options.projects
            else suite.fast or not options.fast
        )
    ]
    if options.install:
        install(suites)
    known = known_differences(DIFFERENCES)
    wrong = []
    for suite in suites:
        with tempfile.TemporaryDirectory(prefix=f"{suite.project}-conformance-") as folder:
            root = unpack(fetch(suite.project, suite.version, options.cache), Path(folder))
            shutil.rmtree(root / suite.package)
            trio, giambio = (
                run(suite, backend, root, options.pytest) for backend in ("trio", "giambio")
            )
        wrong += judge(suite, trio, giambio, known, partly=bool(options.pytest))
    for problem in wrong:
        print(f"FAILED: {problem}")
    return 1 if wrong else 0


def parse() -> argparse.Namespace:
    projects = [suite.project for suite in SUITES]
    parser = argparse.ArgumentParser(
        description="Run libraries' own tests with Trio and with giambio, and compare.",
        epilog="Arguments after -- go to pytest; then only a part is compared.",
    )
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help=", ".join(projects))
    parser.add_argument("--fast", action="store_true", help="only the suites that CI runs")
    parser.add_argument("--install", action="store_true", help="first install what is needed")
    parser.add_argument(
        "--cache",
        type=Path,
        default=CACHE,
        help="folder for the source distributions (default: %(default)s)",
    )
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:end])
    options.pytest = arguments[end + 1 :]
    if unknown := set(options.projects) - set(projects):
        parser.error(f"no suite for {', '.join(sorted(unknown))}; there are {', '.join(projects)}")
    return options


def install(suites: Sequence[Suite]) -> None:
    """Install the libraries and the requirements of their tests into this environment."""
    needed = {*NEEDED, *(name for suite in suites for name in (suite.requirement, *suite.needed))}
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *sorted(needed)], check=True)


def run(suite: Suite, backend: str, root: Path, arguments: Sequence[str]) -> Results:
    return run_suite(
        backend,
        root,
        # pytest-asyncio, where it is installed, would take the tests that are to run here.
        [*suite.options, "-p", "no:asyncio", *(arguments or ["tests"])],
        plugin="one_backend",
        seconds_per_test=TEST_SECONDS,
        seconds=SUITE_SECONDS,
        variables={"CONFORMANCE_BACKEND": backend},
    )


def judge(
    suite: Suite, trio: Results, giambio: Results, known: dict[str, str], *, partly: bool
) -> list[str]:
    """Print the counts and the differences of one suite, and return what is wrong.

    Parameters:
        suite: whose results these are.
        trio, giambio: the results.
        known: reasons by names of tests, each with the project before it.
        partly: whether not all the tests were to run, so that some differences cannot be seen.
    """
    for backend, results in (("trio", trio), ("giambio", giambio)):
        print(f"{suite.project} {suite.version} on {backend}: {results.ran()} ran, {results}")
    worse = {
        f"{suite.project} {name}": f"{giambio.ended(name)} {giambio.messages.get(name)}"
        for name in sorted(trio.outcomes)
        if trio.passed(name) and not giambio.passed(name)
    }
    wrong = [f"{name} passes with Trio only: {worse[name]}" for name in worse if name not in known]
    for name in worse.keys() & known.keys():
        print(f"{name}: {known[name]}")
    if len(giambio.outcomes) != len(trio.outcomes):
        wrong.append(f"not as many tests of {suite.project} ran on both")
    if not trio.ran():
        wrong.append(f"no test of {suite.project} ran")
    if not partly:
        expected = [name for name in known if name.split(" ")[0] == suite.project]
        wrong += [f"{name} is no difference any more" for name in expected if name not in worse]
    return wrong


if __name__ == "__main__":
    sys.exit(main())
