"""Comparison of a foreign test suite's results: with Trio, and with giambio in Trio's place.

A library's tests come from its source distribution and stay as they are; only the back end of
AnyIO that they run on is set, by a plugin of pytest's in `plugins/`. They run once with Trio and
once with giambio, and every test that ends differently is a finding, unless a list of known
differences gives the reason. `anyio_suite.py` and `library_suites.py` say which suites there are,
and what counts as worse.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

PLUGINS = Path(__file__).parent / "plugins"
CACHE = Path.home() / ".cache" / "giambio-conformance"
#: A simple index (PEP 503): the address of a project's page.
INDEX = "https://pypi.org/simple/{project}/"


class Results:
    """Outcomes of one suite on one back end, by test name without the back end in it."""

    def __init__(self, backend: str, root: Path, cases: Iterable[ElementTree.Element]) -> None:
        self.outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.nodes: defaultdict[str, list[str]] = defaultdict(list)
        self.messages: dict[str, str] = {}
        for case in cases:
            node = node_of(case, root)
            # Some tests are about Trio only, whatever back end is set.
            name = re.sub(rf"(?<=[\[-])({backend}|trio)(?=[-\]])", "BACKEND", node)
            outcome, message = outcome_of(case)
            self.outcomes[name][outcome] += 1
            self.nodes[name].append(node)
            self.messages[name] = message

    def ran(self, but_for: Iterable[str] = ()) -> int:
        """Return the number of tests that were not skipped.

        Parameters:
            but_for: names of tests that are not counted.
        """
        total = self.total()
        for name in but_for:
            total -= self.outcomes[name]
        return total.total() - total["skipped"]

    def total(self) -> Counter[str]:
        """Return how many tests ended in which way."""
        return sum(self.outcomes.values(), Counter())

    def correct(self, name: str, again: Results) -> None:
        """Replace a test's outcome by that of a second run."""
        self.outcomes[name] = again.outcomes[name]
        self.messages[name] = again.messages.get(name, "")

    def ended(self, name: str) -> str:
        """Return how one test ended, in words."""
        return " and ".join(sorted(self.outcomes[name])) or "missing"

    def passed(self, name: str) -> bool:
        """Return whether each run of a test passed."""
        return set(self.outcomes[name]) == {"passed"}

    def __str__(self) -> str:
        return ", ".join(f"{number} {outcome}" for outcome, number in sorted(self.total().items()))


def node_of(case: ElementTree.Element, root: Path) -> str:
    """Return a test's name as pytest takes it: the file, the class if any, the function."""
    parts = (case.get("classname") or case.get("name") or "").split(".")
    if not case.get("classname"):  # a file that could not be imported
        return "/".join(parts) + ".py"
    module = next(n for n in range(len(parts), 0, -1) if root.joinpath(*parts[:n]).is_dir()) + 1
    path = "/".join(parts[:module]) + ".py"
    return "::".join([path, *parts[module:], case.get("name") or ""])


def outcome_of(case: ElementTree.Element) -> tuple[str, str]:
    """Return how a test ended, and the message if it failed."""
    for outcome in ("error", "failure", "skipped"):
        found = case.find(outcome)
        if found is not None:
            return outcome, found.get("message") or ""
    return "passed", ""


def differences(trio: Results, giambio: Results) -> list[str]:
    """Return the names of the tests that did not end alike."""
    names = {*trio.outcomes, *giambio.outcomes}
    return sorted(name for name in names if trio.outcomes[name] != giambio.outcomes[name])


def known_differences(path: Path) -> dict[str, str]:
    """Read ``name of the test: reason``, one a line; ``#`` begins a comment."""
    known = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, separator, reason = line.partition(": ")
            if not separator or not reason.strip():
                sys.exit(f"{path.name} gives no reason for {name}")
            known[name] = reason.strip()
    return known


def fetch(project: str, version: str, cache: Path) -> Path:
    """Return a source distribution from the cache, or else from PyPI.

    pip is of no use here: it builds what it downloads, and some need Rust for that.
    """
    name = f"{project.replace('-', '_')}-{version}.tar.gz"
    archive = cache / name
    if not archive.exists():
        with urllib.request.urlopen(INDEX.format(project=project)) as page:
            links = re.findall(r'href="([^"]+)"', page.read().decode())
        link = next((link for link in links if f"/{name}#sha256=" in link), None)
        if link is None:
            sys.exit(f"PyPI has no {name}")
        address, _, digest = link.partition("#sha256=")
        with urllib.request.urlopen(address) as download:
            content = download.read()
        if hashlib.sha256(content).hexdigest() != digest:
            sys.exit(f"{name} is not what PyPI says it is")
        cache.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(content)
    return archive


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a source distribution, and return the folder it unpacks to."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
        return folder / tar.getnames()[0].split("/")[0]


def run_suite(
    backend: str,
    root: Path,
    arguments: Iterable[str],
    *,
    plugin: str | None,
    seconds_per_test: int,
    seconds: int,
    variables: Mapping[str, str] = {},
) -> Results:
    """Run a suite on one back end.

    Parameters:
        backend: "trio" or "giambio".
        root: the unpacked source distribution.
        arguments: for pytest: options, files, tests.
        plugin: module in `plugins/` that sets the back end, also where a test runs pytest
            again; None for the suite as it is.
        seconds_per_test, seconds: the timeouts of one test and of the suite.
        variables: for the environment.
    """
    print(f"--- {root.name} on {backend}", flush=True)
    report = root / f"{backend}.xml"
    report.unlink(missing_ok=True)
    options = ["-q", "--tb=no", "-p", "no:cacheprovider", f"--timeout={seconds_per_test}"]
    command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *arguments]
    environment = {**os.environ, **variables}
    if plugin is not None:
        inherited = filter(None, [os.environ.get("PYTHONPATH")])
        environment["PYTHONPATH"] = os.pathsep.join([str(PLUGINS), *inherited])
        environment["PYTEST_ADDOPTS"] = f"-p {plugin}"
    try:
        subprocess.run(command, cwd=root, env=environment, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        sys.exit(f"with {backend} the tests did not end in {seconds} s; perhaps one hangs")
    if not report.exists():
        sys.exit(f"pytest did not get to the end with {backend}")
    return Results(backend, root, ElementTree.parse(report).iter("testcase"))
