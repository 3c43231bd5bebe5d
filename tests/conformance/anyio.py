"""AnyIO's own tests, with giambio in place of Trio: where does a program see a difference?

The tests come from AnyIO's source distribution and stay as they are; only the list of back ends is
set, when AnyIO is imported: asyncio and giambio instead of asyncio and Trio. They run once as they
are and once like this, and every test that ends differently is printed. It fails if a
difference is not in ``anyio-differences.txt``, if that names one that is none any more, if the
list has grown, or if fewer of the others ran than with Trio. Nothing is skipped, deselected or
expected to fail.

Some of AnyIO's tests give a program a few seconds, which a busy machine may need for less, and
where there is no IPv6 they leave sockets behind, for which any later test may get the blame. So
each that ends differently runs once more, with both, and alone; that counts, and both is printed.

    python tests/conformance/anyio.py                      # everything: some six minutes
    python tests/conformance/anyio.py -- tests/test_taskgroups.py -k cancel

It needs, in the environment that runs it, giambio, the version of AnyIO that is tested, Trio, and
what AnyIO's tests need (``--install`` gets all but giambio).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
DIFFERENCES = HERE / "anyio-differences.txt"
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
PATIENCE = 1200

#: A plugin of pytest's, loaded before AnyIO's own, also where a test runs pytest again. `BACKENDS`
#: is read when tests are collected.
PLUGIN = """
import giambio
import anyio._core._eventloop

anyio._core._eventloop.BACKENDS = ("asyncio", "giambio")
"""


class Results:
    """How the tests ended with one back end, by their names without that of the back end."""

    def __init__(self, backend: str, root: Path, cases: Iterable[ElementTree.Element]) -> None:
        self.outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.nodes: defaultdict[str, list[str]] = defaultdict(list)
        self.messages: dict[str, str] = {}
        for case in cases:
            node = node_of(case, root)
            # Some tests are about Trio only, whatever the list says.
            name = re.sub(rf"(?<=[\[-])({backend}|trio)(?=[-\]])", "BACKEND", node)
            outcome, message = outcome_of(case)
            self.outcomes[name][outcome] += 1
            self.nodes[name].append(node)
            self.messages[name] = message

    def ran(self, but_for: Iterable[str] = ()) -> int:
        """How many tests were not skipped, but for some."""
        ways = self.ways()
        for name in but_for:
            ways -= self.outcomes[name]
        return ways.total() - ways["skipped"]

    def ways(self) -> Counter[str]:
        """How many ended in which way."""
        return sum(self.outcomes.values(), Counter())

    def correct(self, name: str, again: Results) -> None:
        """Put what a second run has found about a test in the place of what the first had."""
        self.outcomes[name] = again.outcomes[name]
        self.messages[name] = again.messages.get(name, "")

    def __str__(self) -> str:
        return ", ".join(f"{number} {outcome}" for outcome, number in sorted(self.ways().items()))

    def ended(self, name: str) -> str:
        """How one test ended."""
        return " and ".join(sorted(self.outcomes[name])) or "missing"


def main() -> int:
    """Compare, and tell.

    Returns:
        The exit code: 0 if all is as it is to be.
    """
    options = parse()
    if options.install:
        install(options.version)
    check_version(options.version)
    with tempfile.TemporaryDirectory(prefix="anyio-conformance-") as folder:
        root = unpack(fetch(options.version, options.cache), Path(folder))
        trio, giambio = (run(name, root, options.pytest) for name in ("trio", "giambio"))
        if not any("giambio" in node for nodes in giambio.nodes.values() for node in nodes):
            sys.exit("none of the tests ran with giambio: the list of back ends was not set")
        for name in differences(trio, giambio):
            print(f"again: {name}: trio {trio.ended(name)}, giambio {giambio.ended(name)}")
            for backend, results in (("trio", trio), ("giambio", giambio)):
                if nodes := results.nodes[name]:
                    results.correct(name, run(backend, root, nodes))
    return judge(trio, giambio, partly=bool(options.pytest))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Run AnyIO's own tests with Trio and with giambio, and compare.",
        epilog="What follows -- goes to pytest; then only a part is compared.",
    )
    parser.add_argument("--version", default=VERSION, help="of AnyIO (default: %(default)s)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path.home() / ".cache" / "giambio-conformance",
        help="the folder for the source distribution (default: %(default)s)",
    )
    parser.add_argument("--install", action="store_true", help="first install what is needed")
    parser.add_argument("pytest", nargs="*", metavar="PYTEST", help="arguments for pytest")
    return parser.parse_args()


def install(version: str) -> None:
    """Get what AnyIO's tests need into this environment."""
    command = [sys.executable, "-m", "pip", "install", "-q", f"anyio[trio]=={version}", *NEEDED]
    subprocess.run(command, check=True)


def check_version(version: str) -> None:
    """Refuse to run the tests of another version than the one that is installed."""
    from importlib.metadata import version as installed

    if installed("anyio") != version:
        sys.exit(f"AnyIO {version} is to be tested, and {installed('anyio')} is installed")


def fetch(version: str, cache: Path) -> Path:
    """The source distribution, from PyPI unless it is in the cache."""
    archive = cache / f"anyio-{version}.tar.gz"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "anyio"]
        subprocess.run([*pip, "--dest", str(cache), f"anyio=={version}"], check=True)
    return archive


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the tests. The installed AnyIO is what they test."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    return root


def run(backend: str, root: Path, arguments: list[str]) -> Results:
    """Run the tests with asyncio and one back end."""
    print(f"--- {backend}", flush=True)
    report = root / f"{backend}.xml"
    report.unlink(missing_ok=True)
    options = ["-q", "--tb=no", "-p", "no:cacheprovider", f"--timeout={TEST_SECONDS}"]
    command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *arguments]
    try:
        subprocess.run(
            command, cwd=root, env=environment(backend, root), timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"with {backend} the tests did not end in {PATIENCE} s; perhaps one hangs")
    if not report.exists():
        sys.exit(f"pytest did not get to the end with {backend}")
    return Results(backend, root, ElementTree.parse(report).iter("testcase"))


def environment(backend: str, root: Path) -> dict[str, str]:
    """The environment in which pytest has the list of back ends; Trio's is AnyIO's own."""
    variables = dict(os.environ)
    if backend != "trio":
        plugins = root / "plugins"
        plugins.mkdir(exist_ok=True)
        (plugins / "list_of_back_ends.py").write_text(PLUGIN, encoding="utf-8")
        inherited = filter(None, [os.environ.get("PYTHONPATH")])
        variables["PYTHONPATH"] = os.pathsep.join([str(plugins), *inherited])
        variables["PYTEST_ADDOPTS"] = "-p list_of_back_ends"
    return variables


def node_of(case: ElementTree.Element, root: Path) -> str:
    """A test's name, as pytest takes it: the file, the class if there is one, the function."""
    parts = (case.get("classname") or "").split(".")
    module = next(n for n in range(len(parts), 0, -1) if root.joinpath(*parts[:n]).is_dir()) + 1
    path = "/".join(parts[:module]) + ".py"
    return "::".join([path, *parts[module:], case.get("name") or ""])


def outcome_of(case: ElementTree.Element) -> tuple[str, str]:
    """How it ended, and what was wrong."""
    for outcome in ("error", "failure", "skipped"):
        found = case.find(outcome)
        if found is not None:
            return outcome, found.get("message") or ""
    return "passed", ""


def differences(trio: Results, giambio: Results) -> list[str]:
    """The names of the tests that did not end alike."""
    names = {*trio.outcomes, *giambio.outcomes}
    return sorted(name for name in names if trio.outcomes[name] != giambio.outcomes[name])


def judge(trio: Results, giambio: Results, partly: bool) -> int:
    """Print the counts and the differences.

    Parameters:
        trio, giambio: what `run` returned.
        partly: whether not all the tests were to run, so that some differences cannot be seen.

    Returns:
        The exit code.
    """
    known = known_differences()
    wrong = []
    for backend, results in (("trio", trio), ("giambio", giambio)):
        print(f"{backend}: {results.ran()} ran, {results}")
    if giambio.ran(but_for=known) < trio.ran(but_for=known):
        wrong.append("fewer tests ran than with Trio")
    different = differences(trio, giambio)
    for name in different:
        reason = known.get(name, "NOT EXPECTED")
        print(f"{name}: trio {trio.ended(name)}, giambio {giambio.ended(name)}: {reason}")
        if name not in known:
            wrong.append(f"{name} is not in {DIFFERENCES.name}: {giambio.messages.get(name)}")
    if not partly:
        wrong += [f"{name} is no difference any more" for name in known if name not in different]
    wrong += [f"{name} may not differ" for name in known if NEVER.search(name)]
    if len(known) > MOST_DIFFERENCES:
        wrong.append(f"{DIFFERENCES.name} has grown: {len(known)}, not {MOST_DIFFERENCES} at most")
    for problem in wrong:
        print(f"FAILED: {problem}")
    return 1 if wrong else 0


def known_differences() -> dict[str, str]:
    """The list: ``name of the test: why it differs``, one a line; ``#`` begins a comment."""
    known = {}
    for line in DIFFERENCES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, separator, reason = line.partition(": ")
            if not separator or not reason.strip():
                sys.exit(f"{DIFFERENCES.name} gives no reason for {name}")
            known[name] = reason.strip()
    return known


if __name__ == "__main__":
    sys.path.remove(str(HERE))  # or this file would be what `import anyio` finds
    sys.exit(main())
