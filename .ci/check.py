"""Everything that has to hold, in one run; `.ci/run` starts it.

All of it happens in copies of the checkout in a temporary folder: what git knows or
would add, so that neither leftovers in the checkout help nor anything is left there.
Wheels are installed into environments of their own, and tested from a folder without
the package's source.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from free_threaded import FreeThreaded, install_dependencies
from jobs import Job, JobFailed, Jobs, Lane, Unavailable, environment
from places import Places
from pythons import Python, find_pythons

CHECKOUT = Path(__file__).resolve().parent.parent

#: Tests look at clocks, so no more than two runs of them share the machine, with what gives way.
TESTS_AT_ONCE = 2
#: How long one run of the suite may take: some six times what it takes alone.
TEST_SECONDS = 2400
BUILD_SECONDS = 1800
#: AnyIO's own tests run twice, with Trio and with giambio: some six minutes alone.
ANYIO_SECONDS = 2400
OLDER_ANYIO_SECONDS = 900
ASYNCIO_SECONDS = 900
#: What asyncio's tests found on this version, they found on those beside it, too.
ASYNCIO_LEFT_OUT = [(3, 12)]
#: Of the versions before the newest, those tests run that concern what they call in giambio.
OLDER_ANYIO = ("4.15.1", "4.14.2")
OLDER_ANYIO_TESTS = (
    *("test_debugging", "test_eventloop", "test_from_thread", "test_lowlevel", "test_signals"),
    *("test_subprocesses", "test_synchronization", "test_taskgroups", "test_to_thread"),
    *("streams/test_memory", "streams/test_tls"),
)
#: The suites of libraries take three minutes alone.
LIBRARIES_SECONDS = 1800
#: Those with real servers take a minute and a half alone, and as long to be installed.
WITH_SERVERS_SECONDS = 1200
COUNT_SECONDS = 1800
#: The whole suite is run twice: by README's command, compiled on the oldest Python, and pure on the
#: newest. The others leave out what is no more likely to fail there: tests of texts, of programs
#: made of what the other tests test, and of other people's libraries (22 % of the suite's time);
#: and most of the random programs (6 %), because a bug that depends on the version does not need
#: many.
LEFT_OUT = ["benchmarks", "conformance", "demo", "docs", "integrations"]
EXAMPLES = 40
#: Without a GIL, starting a program takes several times as long; these do little else.
LEFT_OUT_FREE_THREADED = [*LEFT_OUT, "packaging", "pytest_plugin", "repl"]
#: How long eight loops in eight threads are put under stress, where there is no GIL.
STRESS_SECONDS = "60"
#: From this version of Python on, measuring coverage costs next to nothing (sys.monitoring), and
#: there is no trace function, which tests would notice.
CHEAP_COVERAGE = (3, 12, 0)


def copy_checkout(target: Path, *, leave_out: tuple[str, ...] = ()) -> None:
    """Copy what a clean clone would have, without the top-level names in `leave_out`."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    for name in sorted(set(listed.stdout.split("\0")) - {""}):
        source = CHECKOUT / name
        if source.exists() and Path(name).parts[0] not in leave_out:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def without(rooms: list[str]) -> list[str]:
    """Return the options by which pytest leaves out the tests of some rooms."""
    return [f"--ignore=tests/{room}" for room in rooms]


def readme_test_command(readme: Path) -> str:
    """Return the README's command which sets up and runs the tests."""
    if not readme.exists():
        raise JobFailed("README.md does not exist, so its test command cannot be run")
    lines = [line.strip() for line in readme.read_text(encoding="utf-8").splitlines()]
    found = [
        line for line in lines if line.startswith("python3 -m venv") and line.endswith("-m pytest")
    ]
    if len(found) != 1:
        raise JobFailed(
            "README.md must have exactly one line 'python3 -m venv ... -m pytest', "
            f"which sets up and runs the tests; it has {len(found)}"
        )
    return found[0]


@dataclass
class Environment:
    """A virtual environment for one build on one Python, and the wheel that it builds."""

    build: str
    version: Python
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.build}, Python {self.version.short}"

    @property
    def python(self) -> list[str]:
        """What a command begins with that the environment's Python runs."""
        return self.version.of_environment(self.folder / "env")

    @property
    def wheel(self) -> str:
        (wheel,) = (self.folder / "dist").glob("*.whl")
        return str(wheel)


class Run:
    """One run of all checks, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs = Jobs()
        # The checkout to build from, and one without the package's source, to test in.
        self.sources = folder / "sources"
        self.outside = folder / "outside"
        copy_checkout(self.sources)
        copy_checkout(self.outside, leave_out=("src", "setup.py"))

    def all(self) -> None:
        pythons = find_pythons(self.folder)
        ready = [python for python in pythons if not python.problem]
        if not ready:
            sys.exit("There is no CPython from 3.11 up which has venv and its headers.")
        environments = [self.environment("compiled", python) for python in ready]
        # The pure build has no code of its own for any version.
        ends = [ready[0], ready[-1]] if len(ready) > 1 else ready
        environments += [self.environment("pure", python) for python in ends]
        whole = environments[-1]

        # A lane begins its jobs in order, and none waits for one behind it or for a test.
        with Lane(1, modest=True) as spare, Lane(TESTS_AT_ONCE) as tests:
            self.jobs.start(tests, "README's test command", self.readme)
            self.jobs.start(tests, "test: compiled, free-threaded", self.free_threaded)
            wheels = [
                self.jobs.start(spare, f"build: {env.name}", partial(self.build, env))
                for env in environments
            ]
            built = list(zip(environments, wheels, strict=True))
            self.look(spare, *built[0])
            for env, wheel in built:
                if not self.is_readmes(env):
                    test = partial(self.after, wheel, partial(self.test, env, whole=env is whole))
                    self.jobs.start(tests, f"test: {env.name}", test)
            self.conform(tests, built)
            for env, wheel in built:
                if env.build == "compiled":
                    count = partial(self.after, wheel, partial(self.count, env))
                    self.jobs.start(spare, f"instructions: {env.name}", count)
            Places(self.folder, self.sources, sys.executable).start(self.jobs, spare)
            for python in pythons:
                if python.problem:
                    self.jobs.start(spare, f"Python {python.short}", partial(self.report, python))

    def look(self, lane: Lane, env: Environment, wheel: Future[bool]) -> None:
        """Start the jobs that look at the code and do not run it."""
        after_wheel = partial(self.after, wheel)
        tools = partial(self.install_tools, env)
        installed = self.jobs.start(lane, "lint: install tools", partial(after_wheel, tools))
        checks = {
            "lint: ruff": self.ruff,
            "lint: mypy --strict": self.mypy,
            "lint: lines of code": self.count_lines,
            "lint: changelog": self.changelog,
            "types: mypy": self.mypy_tests,
            "types: pyright": self.pyright_tests,
            "types: stubtest": self.stubtest,
            "types: in editors": self.editors,
        }
        for name, check in checks.items():
            self.jobs.start(lane, name, partial(self.after, installed, check))
        docs = partial(self.docs, env)
        self.jobs.start(lane, "docs: build", partial(after_wheel, docs))

    def conform(self, lane: Lane, built: list[tuple[Environment, Future[bool]]]) -> None:
        """Start the jobs that run other people's tests."""
        for env, wheel in built:
            if env.build == "compiled" and env.version.version[:2] not in ASYNCIO_LEFT_OUT:
                asyncio = partial(self.after, wheel, partial(self.asyncio, env))
                self.jobs.start(lane, f"asyncio's own tests: {env.name}", asyncio)
        env, wheel = built[0]
        suites = {
            "AnyIO's own tests": self.anyio,
            "libraries' own tests": self.libraries,
            "asyncio's libraries, with real servers": self.with_servers,
        }
        for name, work in suites.items():
            self.jobs.start(lane, name, partial(self.after, wheel, partial(work, env)))

    def stop(self) -> int:
        """End all jobs, and return the exit code of a run that was told to end."""
        self.jobs.stop()
        return 128 + signal.SIGTERM

    def environment(self, build: str, python: Python) -> Environment:
        return Environment(build, python, self.folder / f"{build}-{python.short}")

    def after(self, needed: Future[bool], work: Callable[[Job], None], job: Job) -> None:
        if not needed.result():
            raise JobFailed("the job that prepares it has failed")
        work(job)

    def report(self, python: Python, job: Job) -> None:
        raise Unavailable(f"Python {python} {python.problem}")

    # --- builds and tests ---

    def readme(self, job: Job) -> None:
        command = readme_test_command(self.sources / "README.md")
        clone = self.folder / "clone"
        copy_checkout(clone)
        # `.ci/run` has installed the programs, so no test is skipped for want of one.
        variables = environment(GIAMBIO_TEST_PROGRAMS="required")
        job.run(["bash", "-c", command], cwd=clone, env=variables, timeout=TEST_SECONDS)
        check = [str(clone / ".venv" / "bin" / "python"), ".ci/check_build.py", "compiled"]
        job.run(check, cwd=clone, env=environment())

    def is_readmes(self, env: Environment) -> bool:
        """Whether README's test command tests it: `python3` runs that as it runs this file."""
        return env.build == "compiled" and env.version.version == sys.version_info[:3]

    def build(self, env: Environment, job: Job) -> None:
        job.say(f"Python {env.version}")
        create = [*env.version.command, "-m", "venv", str(env.folder / "env")]
        job.run(create, cwd=self.folder, env=environment())
        asks_for = "REQUIRE" if env.build == "compiled" else "NO"
        command = [*env.python, "-m", "pip", "wheel", "--no-deps", "-w", str(env.folder / "dist")]
        variables = environment(**{f"GIAMBIO_{asks_for}_EXTENSIONS": "1"})
        job.run(
            [*command, str(self.sources)], cwd=self.folder, env=variables, timeout=BUILD_SECONDS
        )
        if env.wheel.endswith("-py3-none-any.whl") != (env.build == "pure"):
            raise JobFailed(f"the wheel's name does not tell the {env.build} build: {env.wheel}")

    def test(self, env: Environment, job: Job, *, whole: bool) -> None:
        install = [*env.python, "-m", "pip", "install", "-q", f"{env.wheel}[test]"]
        job.run(install, cwd=self.folder, env=environment())
        check = [*env.python, ".ci/check_build.py", env.build]
        job.run(check, cwd=self.outside, env=environment())
        tests = ["-m", "pytest", "-p", "no:cacheprovider", "-m", "not builds"]
        variables = environment(GIAMBIO_TEST_PROGRAMS="required")
        if not whole:
            tests += without(LEFT_OUT)
            variables["GIAMBIO_TEST_EXAMPLES"] = str(EXAMPLES)
        if env.build == "pure" and env.version.version >= CHEAP_COVERAGE:
            self.cover(env, tests, variables, job)
        else:
            job.run([*env.python, *tests], cwd=self.outside, env=variables, timeout=TEST_SECONDS)

    def free_threaded(self, job: Job) -> None:
        """Build for a Python without a GIL, and run the suite and a minute of stress there."""
        env = self.environment("compiled", FreeThreaded.found(job.say))
        self.build(env, job)
        install_dependencies(env.python[0], env.wheel, job.say)
        variables = environment(
            PYTHON_GIL="0",
            GIAMBIO_TEST_PROGRAMS="required",
            GIAMBIO_TEST_EXAMPLES=str(EXAMPLES),
        )
        check = partial(job.run, cwd=self.outside, timeout=TEST_SECONDS)
        check([*env.python, ".ci/check_build.py", env.build], env=variables)
        tests = ["-m", "pytest", "-p", "no:cacheprovider", "-m", "not builds"]
        tests += without(LEFT_OUT_FREE_THREADED)
        check([*env.python, *tests], env=variables)
        stress = [*env.python, "-m", "support.many_loops", "--seconds", STRESS_SECONDS]
        check(stress, env=variables | {"PYTHONPATH": "tests"})

    def cover(
        self, env: Environment, tests: list[str], variables: dict[str, str], job: Job
    ) -> None:
        """Run the tests, and tell how much of each package they reach."""
        install = [*env.python, "-m", "pip", "install", "-q", "coverage>=7.7"]
        job.run(install, cwd=self.folder, env=environment())
        coverage = partial(job.run, cwd=self.outside, timeout=TEST_SECONDS)
        variables |= {"COVERAGE_CORE": "sysmon", "COVERAGE_FILE": str(env.folder / "coverage")}
        command = [*env.python, "-m", "coverage"]
        coverage([*command, "run", "--source=giambio", *tests], env=variables)
        report = str(env.folder / "coverage.json")
        coverage([*command, "json", "-q", "-o", report], env=variables)
        coverage([*env.python, ".ci/coverage_table.py", report], env=variables)

    def install(self, built: Environment, name: str, job: Job, *options: str) -> list[str]:
        """Install a wheel into a new environment, and return what its commands begin with."""
        create = [*built.version.command, "-m", "venv", str(self.folder / name)]
        job.run(create, cwd=self.folder, env=environment())
        python = built.version.of_environment(self.folder / name)
        install = [*python, "-m", "pip", "install", "-q", *options]
        job.run(install, cwd=self.folder, env=environment())
        return python

    def docs(self, built: Environment, job: Job) -> None:
        python = self.install(built, "docs", job, f"{built.wheel}[docs]")
        build = [*python, "-m", "sphinx", "-W", "--keep-going", "docs", str(self.folder / "html")]
        job.run(build, cwd=self.outside, env=environment())

    def count(self, env: Environment, job: Job) -> None:
        """The regression gate of speed, in an environment where nothing else is installed."""
        python = self.install(env, f"counted-{env.version.short}", job, "--no-deps", env.wheel)
        gate = [*python, "benchmarks/check_instructions.py"]
        job.run(gate, cwd=self.outside, env=environment(), timeout=COUNT_SECONDS)

    def anyio(self, built: Environment, job: Job) -> None:
        """Run AnyIO's tests, of the newest version and of the two before it."""
        python = self.install(built, "anyio", job, f"{built.wheel}[anyio]")
        compare = [*self.named_by_ipv6(), *python]
        compare += ["tests/conformance/anyio_suite.py", "--install"]
        compare.append(f"--cache={self.folder}")
        tests = [f"tests/{name}.py" for name in OLDER_ANYIO_TESTS]
        job.run(compare, cwd=self.outside, env=environment(), timeout=ANYIO_SECONDS)
        drop_in = [*compare, "--drop-in"]
        job.run(drop_in, cwd=self.outside, env=environment(), timeout=ANYIO_SECONDS)
        for version in OLDER_ANYIO:
            command = [*compare, f"--version={version}", "--", *tests]
            job.run(command, cwd=self.outside, env=environment(), timeout=OLDER_ANYIO_SECONDS)

    def asyncio(self, env: Environment, job: Job) -> None:
        """Run the tests of asyncio that come with a Python, on giambio's loop."""
        python = self.install(env, f"asyncio-{env.version.short}", job, "--no-deps", env.wheel)
        try:
            job.run([*python, "-c", "import test.test_asyncio"], cwd=self.folder, env=environment())
        except JobFailed as error:
            raise Unavailable(f"Python {env.version.short} came without its own tests") from error
        suite = [*python, "tests/conformance/asyncio_suite.py"]
        job.run(suite, cwd=self.outside, env=environment(), timeout=ASYNCIO_SECONDS)

    def named_by_ipv6(self) -> list[str]:
        """Return what a command begins with for which `localhost` is an IPv6 address, too."""
        try:
            socket.getaddrinfo("localhost", None, socket.AF_INET6)
        except socket.gaierror:
            if os.geteuid() == 0 and (unshare := shutil.which("unshare")):
                script = str(CHECKOUT / ".ci" / "localhost.sh")
                return [unshare, "--mount", "sh", script, str(self.folder / "hosts")]
        return []

    def libraries(self, built: Environment, job: Job) -> None:
        """Run the tests of libraries that are on AnyIO, those that do not take long."""
        python = self.install(built, "libraries", job, f"{built.wheel}[anyio]")
        suites = ["tests/conformance/library_suites.py", "--fast", "--install"]
        suites.append(f"--cache={self.folder}")
        job.run([*python, *suites], cwd=self.outside, env=environment(), timeout=LIBRARIES_SECONDS)

    def with_servers(self, built: Environment, job: Job) -> None:
        """Use libraries of asyncio's with the servers that `.ci/run` has installed."""
        python = self.install(built, "with-servers", job, built.wheel)
        suite = [*python, "tests/conformance/asyncio_libraries_suite.py", "--install", "-q"]
        job.run(suite, cwd=self.outside, env=environment(), timeout=WITH_SERVERS_SECONDS)

    # --- linters and type checkers, beside an installed compiled wheel ---

    def tool(self, name: str) -> str:
        return str(self.folder / "lint" / "bin" / name)

    def install_tools(self, built: Environment, job: Job) -> None:
        self.install(built, "lint", job, f"{built.wheel}[lint]")

    def ruff(self, job: Job) -> None:
        for command in (["check"], ["format", "--check"]):
            ruff = [self.tool("ruff"), *command, "--no-cache", "."]
            job.run(ruff, cwd=self.sources, env=environment())

    def mypy(self, job: Job) -> None:
        mypy = [self.tool("mypy"), "--strict", "--cache-dir", os.devnull]
        job.run([*mypy, "src/giambio"], cwd=self.sources, env=environment())
        # A stub hides the module behind it, which is therefore named by its file.
        hidden = [str(stub.with_suffix(".py")) for stub in self.stubs()]
        job.run([*mypy, "--follow-imports=silent", *hidden], cwd=self.sources, env=environment())
        job.run([*mypy, ".ci"], cwd=self.sources, env=environment())
        benchmarks = ["run.py", "profile_row.py", "check_instructions.py"]
        job.run([*mypy, *benchmarks], cwd=self.sources / "benchmarks", env=environment())

    def count_lines(self, job: Job) -> None:
        job.run([self.tool("python"), ".ci/count_lines.py"], cwd=self.sources, env=environment())

    def changelog(self, job: Job) -> None:
        draft = ["-m", "towncrier", "build", "--draft", "--version", "next"]
        job.run([self.tool("python"), *draft], cwd=self.sources, env=environment())

    def stubs(self) -> list[Path]:
        return sorted((self.sources / "src").rglob("*.pyi"))

    def typing_tests(self) -> str:
        if not (self.outside / "tests" / "typing").exists():
            raise Unavailable("there are no typing tests: tests/typing/ does not exist")
        return "tests/typing"

    def mypy_tests(self, job: Job) -> None:
        mypy = [self.tool("mypy"), "--strict", "--cache-dir", os.devnull]
        job.run([*mypy, self.typing_tests()], cwd=self.outside, env=environment())

    def pyright_tests(self, job: Job) -> None:
        # As a project, because a folder's own configuration is not read otherwise.
        pyright = [self.tool("pyright"), "--pythonpath", self.tool("python")]
        job.run([*pyright, "-p", self.typing_tests()], cwd=self.outside, env=environment())

    def stubtest(self, job: Job) -> None:
        """Compare the stubs with the compiled modules, as they are installed."""
        source = self.sources / "src"
        modules = [
            ".".join(stub.relative_to(source).with_suffix("").parts) for stub in self.stubs()
        ]
        allowed = ["--allowlist", f"{self.typing_tests()}/stubtest-allowlist.txt"]
        stubtest = [self.tool("python"), "-m", "mypy.stubtest", *allowed, *modules]
        job.run(stubtest, cwd=self.outside, env=environment())
        pure = ["--ignore-missing-stub", "--ignore-unused-allowlist"]
        pure += ["--allowlist", f"{self.typing_tests()}/stubtest-allowlist-pure.txt"]
        job.run([*stubtest, *pure], cwd=self.outside, env=environment(GIAMBIO_PURE="1"))

    def editors(self, job: Job) -> None:
        """Hover over each public name in the engines that editors use."""
        job.run([self.tool("python"), ".ci/check_editors.py"], cwd=self.outside, env=environment())


def main() -> int:
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="giambio-ci-") as folder:
        run = Run(Path(folder))
        # As whoever stops us expects: nothing goes on, and nothing is left.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(run.stop()))
        run.all()
    failed = run.jobs.failed()
    for job in failed:
        print(f"\n{job.end()}")
    print(f"\n== Summary\n\n{run.jobs.summary()}")
    print(f"\n{'FAILED' if failed else 'Passed'}, {time.monotonic() - begin:.0f} s in all")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
