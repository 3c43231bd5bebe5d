"""The pytest plugin in one environment with pytest-asyncio, pytest-trio and AnyIO's.

The tests are marked `builds`, because the environment is made for them: giambio and the others
are installed, so that pytest finds all plugins by itself.
"""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

import pytest

from support.builds import SECONDS, environment, python_with

OTHERS = ("anyio", "hypothesis", "pytest", "pytest-asyncio", "pytest-trio", "pytest-xdist", "trio")

#: The setting by which each plugin runs every async test.
AUTO_MODES = {
    "anyio": "anyio_mode=auto",
    "asyncio": "asyncio_mode=auto",
    "giambio": "giambio_mode=auto",
    "trio": "trio_mode=true",
}

WHERE = """
    import asyncio

    import giambio
    import sniffio


    def where():
        '''Which library runs this.'''
        try:
            giambio.current_loop()
            return "giambio"
        except RuntimeError:
            return sniffio.current_async_library()
"""

MARKED = """
    import giambio, pytest, pytest_asyncio, trio
    from hypothesis import given, settings, strategies as st
    from pytest_trio import trio_fixture
    from where import where


    @pytest.fixture
    async def plain():
        return where()

    @pytest.fixture
    async def yielding():
        here = where()
        yield here
        assert where() == here

    @pytest_asyncio.fixture
    async def of_asyncio():
        yield where()

    @trio_fixture
    async def of_trio():
        yield where()


    @pytest.mark.giambio
    async def test_giambio(plain, yielding, virtual_clock, task_manager):
        task_manager.start_soon(giambio.sleep_forever)
        await giambio.sleep(100)
        assert (where(), plain, yielding) == ("giambio",) * 3

    @pytest.mark.giambio
    @settings(max_examples=5, database=None, deadline=None)
    @given(n=st.integers())
    async def test_giambio_and_hypothesis(n):
        await giambio.checkpoint()
        assert where() == "giambio"

    @pytest.mark.asyncio
    async def test_asyncio(of_asyncio):
        assert (where(), of_asyncio) == ("asyncio",) * 2

    @pytest.mark.trio
    async def test_trio(plain, yielding, of_trio, nursery, autojump_clock):
        await trio.sleep(100)
        assert (where(), plain, yielding, of_trio) == ("trio",) * 4

    @pytest.mark.anyio
    async def test_anyio(plain, yielding, anyio_backend_name):
        assert (where(), plain, yielding) == (anyio_backend_name,) * 3


    class TestClass:
        @pytest.mark.giambio
        async def test_giambio(self, plain):
            assert where() == plain == "giambio"

        @pytest.mark.asyncio
        async def test_asyncio(self):
            assert where() == "asyncio"

        @pytest.mark.trio
        async def test_trio(self, plain):
            assert where() == plain == "trio"

        @pytest.mark.anyio
        async def test_anyio(self, plain, anyio_backend_name):
            assert where() == plain == anyio_backend_name
"""

CLAIMED_BY_FIXTURES = """
    import pytest
    from where import where

    async def test_anyio(anyio_backend_name):
        assert where() == anyio_backend_name
"""

BORROWED = """
    import pytest, pytest_asyncio
    from where import where


    @pytest_asyncio.fixture
    async def of_asyncio():
        yield where()

    @pytest.mark.giambio
    async def test_giambio_uses_a_fixture_of_asyncio(of_asyncio):
        assert (where(), of_asyncio) == ("giambio", "asyncio")
"""

UNMARKED = """
    import pytest
    from where import where


    @pytest.fixture
    async def plain():
        return where()

    @pytest.fixture
    async def yielding(plain):
        yield where()
        assert where() == plain

    @pytest.fixture
    def library(request):
        callspec = getattr(request.node, "callspec", None)
        backend = callspec.params.get("anyio_backend") if callspec else None
        return backend or request.config.getoption("--library")

    async def test_function(plain, yielding, library):
        assert (where(), plain, yielding) == (library,) * 3

    class TestClass:
        async def test_method(self, plain, library):
            assert where() == plain == library
"""

CONFTEST = """
    from pathlib import Path

    def pytest_addoption(parser):
        parser.addoption("--library")

    def pytest_sessionstart(session):
        worker = getattr(session.config, "workerinput", {"workerid": "main"})["workerid"]
        seed = session.config.getoption("giambio_seed", None)
        Path(f"seed-of-{worker}").write_text(str(seed))
"""


@pytest.fixture(autouse=True)
def time_limit() -> None:
    """In place of the limit for other tests: installing takes long, and has its own limit."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with giambio and all the others."""
    return python_with(tmp_path_factory.mktemp("others"), *OTHERS)


@pytest.fixture
def outcomes(python: Path, tmp_path: Path) -> Outcomes:
    """Runs pytest on the project; see `Outcomes`."""
    files = {
        "borrowed_test.py": BORROWED,
        "claimed_test.py": CLAIMED_BY_FIXTURES,
        "conftest.py": CONFTEST,
        "marked_test.py": MARKED,
        "unmarked_test.py": UNMARKED,
        "where.py": WHERE,
    }
    for name, code in files.items():
        (tmp_path / name).write_text(textwrap.dedent(code))
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    )
    return Outcomes(python, tmp_path)


class Outcomes:
    """Runs pytest on a project."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._python = python
        self._folder = folder
        self.output = ""

    def __call__(self, *options: str) -> dict[str, str]:
        """The outcome of each test."""
        command = [str(self._python), "-m", "pytest", "-rA", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, *options],
            cwd=self._folder,
            capture_output=True,
            text=True,
            env=environment(),
            timeout=SECONDS,
            check=False,
        )
        self.output = done.stdout + done.stderr
        found = {}
        for line in done.stdout.splitlines():
            outcome, _, rest = line.partition(" ")
            if outcome in ("PASSED", "FAILED", "ERROR") and "::" in rest:
                found[rest.split(" ")[0]] = outcome
        assert found, self.output
        return found


@pytest.mark.builds
def test_marked_tests_of_all_four_pass_together(outcomes: Outcomes) -> None:
    found = outcomes("marked_test.py", "borrowed_test.py")
    assert set(found.values()) == {"PASSED"}, outcomes.output
    kinds = ("test_giambio", "test_asyncio", "test_trio", "test_anyio")
    assert all(any(kind in name for name in found) for kind in kinds)


@pytest.mark.builds
def test_in_its_auto_mode_giambio_leaves_to_others_what_they_claim(outcomes: Outcomes) -> None:
    """All pass, those without a mark on giambio, and those of others on theirs."""
    found = outcomes("-o", AUTO_MODES["giambio"], "--library=giambio")
    assert set(found.values()) == {"PASSED"}, outcomes.output
    assert any(name.startswith("unmarked_test.py") for name in found)
    assert any(name.startswith("claimed_test.py") for name in found)


@pytest.mark.builds
@pytest.mark.parametrize("library", ["anyio", "asyncio", "trio"])
def test_in_the_auto_mode_of_another_both_pass(outcomes: Outcomes, library: str) -> None:
    """Its tests without a mark, and giambio's with one."""
    tests = ("unmarked_test.py", "marked_test.py", "-k", "unmarked or test_giambio")
    found = outcomes(*tests, "-o", AUTO_MODES[library], f"--library={library}")
    assert set(found.values()) == {"PASSED"}, outcomes.output
    assert len({name.partition("::")[0] for name in found}) == 2


@pytest.mark.builds
@pytest.mark.parametrize("library", [None, *AUTO_MODES])
def test_the_others_fare_as_they_do_without_giambio(
    outcomes: Outcomes, library: str | None
) -> None:
    """What fails there (these plugins do not get on with each other in all modes) fails anyway."""
    options = ["marked_test.py", "-k", "not test_giambio"]
    if library not in (None, "giambio"):
        options += ["-o", AUTO_MODES[library]]
    beside = outcomes(*options, *(["-o", AUTO_MODES["giambio"]] if library == "giambio" else []))
    assert beside == outcomes(*options, "-p", "no:giambio", "-o", "markers=giambio")


@pytest.mark.builds
def test_two_plugins_in_auto_mode_are_an_error(outcomes: Outcomes) -> None:
    with pytest.raises(AssertionError, match="both claim every async test"):
        outcomes("-o", AUTO_MODES["giambio"], "-o", AUTO_MODES["asyncio"])


@pytest.mark.builds
def test_pytest_xdist_spreads_them_and_all_have_one_seed(
    outcomes: Outcomes, tmp_path: Path
) -> None:
    found = outcomes(
        *("marked_test.py", "unmarked_test.py", "-n", "2", "--giambio-seed=random"),
        *("-o", AUTO_MODES["giambio"], "--library=giambio"),
    )
    assert set(found.values()) == {"PASSED"}, outcomes.output
    seeds = {path.name: path.read_text() for path in tmp_path.glob("seed-of-*")}
    assert set(seeds) == {"seed-of-main", "seed-of-gw0", "seed-of-gw1"}
    (seed,) = set(seeds.values())
    assert seed.isdigit()
