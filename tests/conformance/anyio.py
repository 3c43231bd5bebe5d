"""AnyIO's own tests, with giambio in place of Trio: where does a program see a difference?

The tests come from AnyIO's source distribution and stay as they are, but for the list of back
ends. They run once with Trio and once with giambio, and every test that ends differently is
printed. It fails if a difference is not in ``anyio-differences.txt``, if that names one that is
none any more, or if fewer tests ran than with Trio. Nothing is skipped, deselected or expected
to fail.

    python tests/conformance/anyio.py                      # everything: some three minutes
    python tests/conformance/anyio.py -- tests/test_taskgroups.py -k cancel

It needs, in the environment that runs it, giambio, the version of AnyIO that is tested, Trio, and
what AnyIO's tests need (``--install`` gets all but giambio).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
DIFFERENCES = HERE / "anyio-differences.txt"
MOST_DIFFERENCES = 10
VERSION = "4.16.0"
NEEDED = (
    "blockbuster",
    "coverage[toml]",
    "hypothesis",
    "psutil",
    "pytest>=9",
    "pytest-mock",
    "pytest-timeout",
    "sniffio",
    "trustme",
    "truststore",
)
#: How many of the seconds that all of it takes may pass before something must hang.
PATIENCE = 1800

#: What runs pytest: AnyIO's list of back ends is set before anybody reads it.
PYTEST = """
if __name__ == "__main__":  # a worker process of a test imports this as well
    import sys
    import giambio
    import anyio._core._eventloop
    anyio._core._eventloop.BACKENDS = tuple(sys.argv[1].split(","))
    import pytest
    sys.exit(pytest.main(sys.argv[2:]))
"""
#: The last one takes part in every test, the other where one back end calls another.
BACKENDS = {"trio": ("giambio", "trio"), "giambio": ("trio", "giambio")}

#: AnyIO is imported already then, which pytest remarks on.
EXPECTED_WARNING = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"

#: What AnyIO's conftest.py gets after its own list of back ends: only the one that is asked for.
ONLY = """
backend_params = [get_all_backends()[-1]]
"""
AFTER = '@pytest.fixture(scope="session", autouse=True)'


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
        tests = unpack(fetch(options.version, options.cache), Path(folder))
        found = {name: run(name, tests, options.pytest) for name in ("trio", "giambio")}
    return judge(found["trio"], found["giambio"], partly=bool(options.pytest))


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
    """Unpack the tests, and have them run with one back end. The installed AnyIO is tested."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    conftest = root / "tests" / "conftest.py"
    text = conftest.read_text(encoding="utf-8")
    if text.count(AFTER) != 1:
        sys.exit("AnyIO's conftest.py has changed: where is its list of back ends?")
    conftest.write_text(text.replace(AFTER, ONLY + "\n\n" + AFTER), encoding="utf-8")
    return root


def run(backend: str, root: Path, arguments: list[str]) -> Counter[tuple[str, str]]:
    """Run the tests with one back end.

    Returns:
        How often there is a test of this name that ended like this; the back end's name is
        left out of the test's.
    """
    report = root / f"{backend}.xml"
    script = root / "run_pytest.py"
    script.write_text(PYTEST, encoding="utf-8")
    command = [sys.executable, str(script), ",".join(BACKENDS[backend]), f"--junitxml={report}"]
    print(f"--- {backend}", flush=True)
    subprocess.run(
        [*command, "-q", "-p", "no:cacheprovider", "-W", EXPECTED_WARNING, *arguments],
        cwd=root,
        timeout=PATIENCE,
        check=False,
    )
    if not report.exists():
        sys.exit(f"pytest did not get to the end with {backend}")
    cases = ElementTree.parse(report).iter("testcase")
    return Counter((name_of(case, backend), outcome_of(case)) for case in cases)


def name_of(case: ElementTree.Element, backend: str) -> str:
    """A test's name, the same for both back ends."""
    name = f"{case.get('classname')}::{case.get('name')}"
    for place, word in zip(BACKENDS[backend], ("OTHER", "BACKEND"), strict=True):
        name = re.sub(rf"(?<=[\[-]){place}(?=[-\]])", word, name)
    return name


def outcome_of(case: ElementTree.Element) -> str:
    """How it ended."""
    for outcome in ("error", "failure", "skipped"):
        if case.find(outcome) is not None:
            return outcome
    return "passed"


def judge(trio: Counter[tuple[str, str]], giambio: Counter[tuple[str, str]], partly: bool) -> int:
    """Print the counts and the differences.

    Parameters:
        trio, giambio: what `run` returned.
        partly: whether not all the tests were to run, so that some differences cannot be seen.

    Returns:
        The exit code.
    """
    known = known_differences()
    wrong = []
    for name, counted in (("trio", trio), ("giambio", giambio)):
        print(f"{name}: {ran(counted)} ran, {summary(counted)}")
    if ran(giambio) < ran(trio):
        wrong.append("fewer tests ran than with Trio")
    different = sorted({name for name, _ in (trio - giambio) + (giambio - trio)})
    for name in different:
        reason = known.get(name, "NOT EXPECTED")
        print(f"{name}: trio {ends(trio, name)}, giambio {ends(giambio, name)}: {reason}")
        if name not in known:
            wrong.append(f"{name} is not in {DIFFERENCES.name}")
    if not partly:
        wrong += [f"{name} is no difference any more" for name in known if name not in different]
    if len(known) > MOST_DIFFERENCES:
        wrong.append(f"more than {MOST_DIFFERENCES} differences are listed")
    for problem in wrong:
        print(f"FAILED: {problem}")
    return 1 if wrong else 0


def ran(counted: Counter[tuple[str, str]]) -> int:
    """How many tests were not skipped."""
    return sum(number for (_, outcome), number in counted.items() if outcome != "skipped")


def summary(counted: Counter[tuple[str, str]]) -> str:
    """How many ended in which way."""
    ways: Counter[str] = Counter()
    for (_, outcome), number in counted.items():
        ways[outcome] += number
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(ways.items()))


def ends(counted: Counter[tuple[str, str]], name: str) -> str:
    """How one test ended."""
    return " and ".join(sorted(way for test, way in counted if test == name)) or "missing"


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
