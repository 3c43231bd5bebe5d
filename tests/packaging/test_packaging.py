"""What is installed, and which build runs: the promises about "compiled or pure".

The tests marked `builds` run pip on copies of the checkout. Most of them use a small
stand-in for the package, so that a build takes seconds: how files are chosen, compiled
and packed does not depend on what is in them.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import operator
import os
import pickle
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import threading
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import giambio
from giambio._build import selection

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD_FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "LICENSE", "README.md")
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
#: The extension that has no Python twin: what Cython would put into each of the others.
SHARED = "giambio._build.shared"


def clean_environment(**variables: str) -> dict[str, str]:
    """Return the environment without what would change a build or an import."""
    swayed = ("GIAMBIO_", "PYTHON", "CC", "CFLAGS", "LDSHARED")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(swayed)}
    return kept | variables


def run_python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new process of the Python that runs the tests."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(autouse=True)
def time_limit() -> None:
    """In place of the limit for other tests: builds take long, and have limits of their own."""


# --- which build runs --------------------------------------------------------------------


@dataclass
class FakePackage:
    """A package `giambio` which has nothing but `selection.py` and what a test puts into it.

    Its extensions are empty files: they are looked for, but not loaded.
    """

    folder: Path

    def add(self, *names: str, age: int = 0) -> None:
        for name in names:
            file = self.folder / "giambio" / name
            file.touch()
            os.utime(file, (1_000_000_000 - age, 1_000_000_000 - age))

    def add_built(self, extensions: tuple[str, ...], reason: str = "") -> None:
        text = f"EXTENSIONS = {extensions!r}\nREASON = {reason!r}\n"
        (self.folder / "giambio" / "_build" / "_built.py").write_text(text)

    def select(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Import it, and print why it is pure."""
        code = "import giambio; print(giambio._build.selection._reason)"
        return run_python(code, PYTHONPATH=str(self.folder), **variables)


@pytest.fixture
def fake(tmp_path: Path) -> FakePackage:
    package = tmp_path / "giambio"
    (package / "_build").mkdir(parents=True)
    shutil.copy(selection.__file__, package / "_build")
    (package / "_build" / "__init__.py").touch()
    (package / "__init__.py").write_text(
        "from giambio._build import selection\nselection.select()\n"
    )
    return FakePackage(tmp_path)


def test_all_extensions_there_means_compiled(fake: FakePackage) -> None:
    fake.add("one.py", "two.py", f"one{SUFFIX}", f"two{SUFFIX}")
    fake.add_built(("giambio.one", "giambio.two"))
    done = fake.select()
    assert (done.stdout, done.stderr) == ("\n", "")


def test_a_pure_wheel_tells_the_reason_it_was_built_with(fake: FakePackage) -> None:
    """Rule 20.8: the reason is told."""
    fake.add_built((), "no C compiler (gcc: command not found)")
    assert fake.select().stdout == "no C compiler (gcc: command not found)\n"


def test_extensions_of_another_python_only_means_pure(fake: FakePackage) -> None:
    fake.add("one.py", "one.cpython-30-somewhere.so")
    fake.add_built(("giambio.one",))
    assert fake.select().stdout == "its extensions are missing or built for another Python\n"


def test_a_mixture_is_refused(fake: FakePackage) -> None:
    """Rule 20.7: a mixture is refused."""
    fake.add("one.py", "two.py", f"one{SUFFIX}")
    fake.add_built(("giambio.one", "giambio.two"))
    done = fake.select()
    assert done.returncode == 1
    assert (
        "ImportError: giambio is compiled in part: there is no extension for giambio.two, though "
        "there is one for giambio.one. Either all run or none: reinstall with "
        "'python -m pip install --force-reinstall giambio', or set GIAMBIO_PURE=1" in done.stderr
    )


def test_giambio_pure_runs_in_spite_of_a_mixture(fake: FakePackage) -> None:
    fake.add("one.py", "two.py", f"one{SUFFIX}")
    fake.add_built(("giambio.one", "giambio.two"))
    assert fake.select(GIAMBIO_PURE="1").stdout == "GIAMBIO_PURE is set\n"


@pytest.mark.parametrize("value", ["", "0"])
def test_giambio_pure_can_be_switched_off(fake: FakePackage, value: str) -> None:
    fake.add("one.py", f"one{SUFFIX}")
    fake.add_built(("giambio.one",))
    assert fake.select(GIAMBIO_PURE=value).stdout == "\n"


def test_a_source_tree_without_extensions_is_pure(fake: FakePackage) -> None:
    fake.add("one.py", "one.pxd")
    expected = "a source tree in which no extension was built for this Python\n"
    assert fake.select().stdout == expected


@pytest.mark.parametrize("newer", ["one.py", "one.pxd", "two.pyx"])
def test_in_a_source_tree_a_stale_extension_is_an_error(fake: FakePackage, newer: str) -> None:
    """Rule 20.11: an extension older than its source."""
    fake.add("one.py", "one.pxd", "two.py", "two.pyx", age=2)
    fake.add(f"one{SUFFIX}", f"two{SUFFIX}", age=1)
    assert fake.select().stdout == "\n"
    fake.add(newer)
    done = fake.select()
    assert done.returncode == 1
    assert f"is older than {fake.folder / 'giambio' / newer}, from which it was" in done.stderr
    assert "rebuild with 'python setup.py build_ext --inplace'" in done.stderr


def test_in_a_source_tree_the_twin_of_a_pyx_may_be_newer(fake: FakePackage) -> None:
    fake.add("two.pyx", age=2)
    fake.add(f"two{SUFFIX}", age=1)
    fake.add("two.py")
    assert fake.select().stdout == "\n"


def test_in_a_source_tree_a_new_module_asks_for_a_rebuild(fake: FakePackage) -> None:
    fake.add("one.py", "one.pxd", f"one{SUFFIX}", "two.py", "two.pxd")
    done = fake.select()
    assert "there is no extension for giambio.two" in done.stderr
    assert "rebuild with 'python setup.py build_ext --inplace'" in done.stderr


def test_giambio_pure_loads_every_module_from_its_python_file() -> None:
    """Rule 20.10: every module."""
    done = run_python(
        """
        import importlib.machinery, pkgutil, sys
        import giambio

        for module in pkgutil.walk_packages(giambio.__path__, "giambio."):
            if module.name.endswith(("__main__", "_build.shared")):  # it has no Python twin
                continue
            try:
                __import__(module.name)
            except ModuleNotFoundError as missing:  # of an extra
                assert not missing.name.startswith("giambio"), missing
        for name, module in sys.modules.items():
            if name.partition(".")[0] == "giambio":
                assert isinstance(module.__loader__, importlib.machinery.SourceFileLoader), name
        print(giambio.build_info().build)
        """,
        GIAMBIO_PURE="1",
    )
    assert (done.stdout, done.stderr) == ("pure\n", "")


# --- what is compiled --------------------------------------------------------------------


def write_files(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))


def test_every_pxd_and_every_pyx_names_an_extension(tmp_path: Path) -> None:
    package = tmp_path / "giambio"
    names = ("plain.py", "one.py", "one.pxd", "sub/two.py", "sub/two.pyx", "sub/two.pxd")
    write_files(package, dict.fromkeys(names, ""))
    assert selection.extension_sources(str(package)) == {
        "giambio.one": str(package / "one.py"),
        "giambio.sub.two": str(package / "sub" / "two.pyx"),
    }


@pytest.mark.parametrize(
    ("marker", "compiled"),
    [
        (f"# platform: {sys.platform}", True),
        (f"# platform: {os.name}", True),
        ("# cython: language_level=3\n# platform: elsewhere", False),
        ("import elsewhere\n# platform: elsewhere", True),
    ],
)
def test_a_pyx_may_be_for_one_platform(tmp_path: Path, marker: str, compiled: bool) -> None:
    package = tmp_path / "giambio"
    write_files(package, {"one.py": "", "one.pyx": marker + "\n"})
    assert list(selection.extension_sources(str(package))) == ["giambio.one"] * compiled


def test_an_extension_without_a_python_twin_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "giambio"
    write_files(package, {"one.pyx": ""})
    with pytest.raises(FileNotFoundError, match=r"one\.py is missing\. Every extension needs"):
        selection.extension_sources(str(package))


@pytest.mark.skipif(
    not Path(giambio.__path__[0], "_build", "_built.py").exists(),
    reason="giambio is not installed: it runs from a source tree",
)
def test_what_is_installed() -> None:
    names = {file.as_posix() for file in importlib.metadata.files("giambio") or ()}
    suffixes = {Path(name).suffix for name in names}
    assert suffixes.isdisjoint({".c", ".h", ".pxd"})
    assert "giambio/py.typed" in names
    extensions = runpy.run_path(str(Path(giambio.__path__[0], "_build", "_built.py")))["EXTENSIONS"]
    for name in extensions:
        path = name.replace(".", "/")
        assert path + sysconfig.get_config_var("EXT_SUFFIX") in names
        assert f"{path}.py" in names or name == SHARED
    assert (".so" in suffixes or ".pyd" in suffixes) == bool(extensions)
    # Their tracebacks name them. What is not compiled would only lie about.
    native = {name.removesuffix(".pyx").replace("/", ".") for name in names if ".pyx" in name}
    assert native <= set(extensions)
    assert bool(native) == bool(extensions)


# --- build_info --------------------------------------------------------------------------


def test_build_info_tells_what_runs() -> None:
    """Rule 20.8: which build runs."""
    info = giambio.build_info()
    assert info.version == importlib.metadata.version("giambio")
    assert info.build in ("compiled", "pure")
    assert (info.build == "compiled") == (info.reason == "")
    assert info.platform == sys.platform
    assert info.python.endswith(sys.version.split()[0])
    build = f"pure: {info.reason}" if info.reason else "compiled"
    assert str(info) == (
        f"giambio {info.version}, {build}, {info.driver} driver, {info.python}, {info.platform}"
    )
    assert repr(info).startswith(f"BuildInfo(version='{info.version}', build=")


def test_build_info_names_the_worker_threads_that_are_alive() -> None:
    """Rule 13.4: `build_info()` lists those that are alive."""
    end = threading.Event()
    ours = threading.Thread(target=end.wait, name="giambio-test")
    theirs = threading.Thread(target=end.wait, name="someone-else")
    for thread in (ours, theirs):
        thread.start()
    try:
        assert "giambio-test" in giambio.build_info().threads
        assert "someone-else" not in giambio.build_info().threads
    finally:
        end.set()
        ours.join()
        theirs.join()
    assert "giambio-test" not in giambio.build_info().threads


def test_build_info_is_final_and_read_only() -> None:
    info = giambio.build_info()
    with pytest.raises(AttributeError, match="'version' is read-only"):
        info.version = "2"
    with pytest.raises(AttributeError, match="'version' is read-only"):
        del info.version
    with pytest.raises(AttributeError, match="'other' is read-only"):
        info.other = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="cannot pickle 'BuildInfo' object"):
        pickle.dumps(info)
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Derived", (type(info),), {})


# --- real builds -------------------------------------------------------------------------

builds = [
    pytest.mark.builds,
    pytest.mark.skipif(os.name != "posix", reason="its stand-ins for compilers are shell scripts"),
    pytest.mark.skipif(
        not all((CHECKOUT / name).exists() for name in BUILD_FILES),
        reason="the tests are not in a checkout, there is nothing to build",
    ),
]
needs_compiler = pytest.mark.skipif(
    shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None
    or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="no C compiler, or no Python headers",
)

STAND_IN = {
    "src/giambio/__init__.py": """
        from giambio._build import selection
        selection.select()
        from giambio._build.info import build_info
        """,
    "src/giambio/_build/__init__.py": "",
    "src/giambio/drivers.py": """
        def default_name() -> str:
            return "stand-in"
        """,
    "src/giambio/stub.pyi": "",
    "src/giambio/native.pyx": "KIND = 'extension'",
    "src/giambio/native.pxd": "",
    "src/giambio/native.py": "KIND = 'twin'",
    "src/giambio/inner/__init__.py": "",
    "src/giambio/inner/first.py": """
        class Counter:
            def __init__(self) -> None:
                self.count = 0
        """,
    "src/giambio/inner/first.pxd": """
        cdef class Counter:
            cdef int count
        """,
    "src/giambio/inner/second.py": "",
    "src/giambio/inner/second.pxd": "",
}
STAND_IN_EXTENSIONS = ("giambio.inner.first", "giambio.inner.second", "giambio.native", SHARED)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the files which build giambio, around a small stand-in for the package."""
    folder = tmp_path / "project"
    write_files(folder, STAND_IN)
    package = ("_build/info.py", "_build/selection.py", "_build/traceback_paths.h", "py.typed")
    for name in (*BUILD_FILES, *(f"src/giambio/{name}" for name in package)):
        shutil.copy(CHECKOUT / name, folder / name)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout, without what tools have left in it."""
    litter = (".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info", "*.so")
    ignore = shutil.ignore_patterns(*litter, "build", "dist", "wheelhouse")
    return Path(shutil.copytree(CHECKOUT, tmp_path / "checkout", ignore=ignore))


@pytest.fixture(scope="session")
def build_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with what builds giambio, so that not every build has to install it."""
    folder = tmp_path_factory.mktemp("build-environment")
    venv.create(folder, with_pip=True, symlinks=True)
    python = str(folder / "bin" / "python")
    with open(CHECKOUT / "pyproject.toml", "rb") as file:
        requirements = tomllib.load(file)["build-system"]["requires"]
    command = [python, "-m", "pip", "install", "--quiet", *requirements]
    subprocess.run(command, check=True, env=clean_environment(), timeout=240)
    return python


@dataclass
class Wheel:
    """A wheel which was built, unpacked so that it can be imported."""

    file: Path
    folder: Path

    def __post_init__(self) -> None:
        with zipfile.ZipFile(self.file) as archive:
            archive.extractall(self.folder)
            self.names = {name for name in archive.namelist() if name.startswith("giambio/")}
        built = runpy.run_path(str(self.folder / "giambio" / "_build" / "_built.py"))
        self.extensions: tuple[str, ...] = built["EXTENSIONS"]
        self.reason: str = built["REASON"]

    def is_pure(self) -> bool:
        info = next(self.folder.glob("giambio-*.dist-info/WHEEL")).read_text()
        return (
            self.file.name.endswith("-py3-none-any.whl")
            and "Root-Is-Purelib: true" in info
            and "Tag: py3-none-any" in info
            and not any(name.endswith((".so", ".pyd")) for name in self.names)
            and self.extensions == ()
        )

    def run(self, code: str, **variables: str) -> str:
        done = run_python(code, PYTHONPATH=str(self.folder), **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@dataclass
class Builder:
    python: str
    folder: Path

    def pip_wheel(self, project: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        options = ["--no-build-isolation", "--no-deps", "--wheel-dir", str(self.folder / "dist")]
        return subprocess.run(
            [self.python, "-m", "pip", "wheel", *options, str(project)],
            env=clean_environment(**variables),
            capture_output=True,
            text=True,
            timeout=240,
        )

    def wheel(self, project: Path, **variables: str) -> Wheel:
        done = self.pip_wheel(project, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        (file,) = (self.folder / "dist").iterdir()
        return Wheel(file, self.folder / "unpacked")

    def failure(self, project: Path, **variables: str) -> str:
        done = self.pip_wheel(project, **variables)
        assert done.returncode != 0, "a build that had to fail did not"
        assert not (self.folder / "dist").exists() or not any((self.folder / "dist").iterdir())
        return done.stdout + done.stderr


@pytest.fixture
def builder(build_python: str, tmp_path: Path) -> Builder:
    return Builder(build_python, tmp_path)


def files_below(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


class TestBuilds:
    pytestmark = builds

    @needs_compiler
    def test_a_compiled_wheel(self, builder: Builder, project: Path) -> None:
        before = files_below(project)
        wheel = builder.wheel(project, GIAMBIO_REQUIRE_EXTENSIONS="1")
        assert files_below(project) == before, "the build left something in the checkout"

        ending = sysconfig.get_config_var("EXT_SUFFIX")
        python = f"cp{sys.version_info.major}{sys.version_info.minor}"
        assert f"-{python}-{python}-" in wheel.file.name
        assert wheel.names == {
            "giambio/__init__.py",
            "giambio/_build/__init__.py",
            "giambio/_build/_built.py",
            "giambio/_build/info.py",
            "giambio/_build/selection.py",
            f"giambio/_build/shared{ending}",
            "giambio/drivers.py",
            "giambio/inner/__init__.py",
            "giambio/inner/first.py",
            f"giambio/inner/first{ending}",
            "giambio/inner/second.py",
            f"giambio/inner/second{ending}",
            "giambio/native.py",
            "giambio/native.pyx",
            f"giambio/native{ending}",
            "giambio/py.typed",
            "giambio/stub.pyi",
        }
        assert (wheel.extensions, wheel.reason) == (STAND_IN_EXTENSIONS, "")
        show = "from giambio import build_info, native; print(native.KIND, build_info())"
        version = f"giambio {selection.VERSION}"
        assert wheel.run(show).startswith(f"extension {version}, compiled, stand-in driver, ")
        pure = f"twin {version}, pure: GIAMBIO_PURE is set, stand-in driver, "
        assert wheel.run(show, GIAMBIO_PURE="1").startswith(pure)

    @pytest.mark.parametrize(
        ("translated", "problem"),
        [
            ("__Pyx_AddTraceback(); PyCode_NewEmpty(filename, funcname, line);", ""),
            ("no function, no traceback", ""),
            (
                "__Pyx_AddTraceback(); PyCode_NewShiny(filename, funcname, line);",
                "CompileError: native.c: src/giambio/_build/traceback_paths.h does not fit this "
                "version of Cython\n",
            ),
        ],
    )
    def test_a_cython_whose_tracebacks_are_made_in_another_way(
        self, builder: Builder, project: Path, tmp_path: Path, translated: str, problem: str
    ) -> None:
        """It is an error of the build: otherwise nobody notices that files cannot be found."""
        native = tmp_path / "native.c"
        native.write_text(translated)
        rules = "runpy.run_path('setup.py', run_name='setup')"
        code = f"import pathlib, runpy; {rules}['check_tracebacks'](pathlib.Path({str(native)!r}))"
        done = subprocess.run(
            [builder.python, "-c", code],
            cwd=project,
            env=clean_environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == (1 if problem else 0), done.stderr
        assert done.stderr.endswith(problem)

    def test_a_compiler_that_does_not_work(self, builder: Builder, project: Path) -> None:
        wheel = builder.wheel(project, CC="/bin/false")
        assert wheel.is_pure()
        assert wheel.reason == "no C compiler (/bin/false: exit code 1)"
        info = wheel.run("import giambio; print(giambio.build_info())")
        assert f", pure: {wheel.reason}, stand-in driver, " in info

    def test_a_compiler_that_is_missing(self, builder: Builder, project: Path) -> None:
        """Rule 20.7: without a compiler the wheel is pure."""
        wheel = builder.wheel(project, CC="no-such-compiler")
        assert wheel.is_pure()
        assert wheel.reason == "no C compiler (no-such-compiler: command not found)"

    @needs_compiler
    def test_a_compiler_that_fails_on_one_file(
        self, builder: Builder, project: Path, tmp_path: Path
    ) -> None:
        """Rule 20.7: if one extension fails, none is installed."""
        compiler = tmp_path / "compiler"
        compiler.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            "  *second.c*) echo 'second.c:7:1: error: unlucky number' >&2; exit 1 ;;\n"
            "esac\n"
            f'exec {sysconfig.get_config_var("CC")} "$@"\n'
        )
        compiler.chmod(0o755)
        wheel = builder.wheel(project, CC=str(compiler))
        assert wheel.is_pure()
        expected = "the C compiler failed on giambio.inner.second (error: unlucky number)"
        assert wheel.reason == expected

    @pytest.mark.parametrize(
        ("variables", "reason"),
        [
            ({"CC": "/bin/false"}, "no C compiler (/bin/false: exit code 1)"),
            ({"GIAMBIO_NO_EXTENSIONS": "1"}, "GIAMBIO_NO_EXTENSIONS was set"),
        ],
    )
    def test_extensions_can_be_required(
        self, builder: Builder, project: Path, variables: dict[str, str], reason: str
    ) -> None:
        """Rule 20.9: a failure to compile is an error."""
        printed = builder.failure(project, GIAMBIO_REQUIRE_EXTENSIONS="1", **variables)
        assert f"GIAMBIO_REQUIRE_EXTENSIONS cannot be met: {reason}" in printed

    def test_extensions_can_be_declined_without_cython(
        self, builder: Builder, project: Path, tmp_path: Path
    ) -> None:
        """Rule 20.9: `GIAMBIO_NO_EXTENSIONS=1`, also where Cython is broken."""
        write_files(tmp_path / "broken", {"Cython/__init__.py": "raise ImportError('no Cython')"})
        broken_cython = str(tmp_path / "broken")
        wheel = builder.wheel(project, GIAMBIO_NO_EXTENSIONS="1", PYTHONPATH=broken_cython)
        assert wheel.is_pure()
        assert wheel.reason == "GIAMBIO_NO_EXTENSIONS was set when it was installed"

    def test_bad_source_fails_the_build_even_without_a_compiler(
        self, builder: Builder, project: Path
    ) -> None:
        """Rule 20.9: an error in giambio's own source."""
        (project / "src/giambio/native.pyx").write_text("cdef nonsense(\n")
        printed = builder.failure(project, CC="/bin/false")
        assert "Cython.Compiler.Errors.CompileError" in printed
        assert "native.pyx" in printed

    @needs_compiler
    def test_in_place(self, builder: Builder, project: Path) -> None:
        before = files_below(project)
        command = [builder.python, "setup.py", "build_ext", "--inplace"]
        subprocess.run(command, cwd=project, env=clean_environment(), check=True, timeout=240)
        added = {str(path) for path in files_below(project) - before}
        ending = sysconfig.get_config_var("EXT_SUFFIX")
        assert added == {"src/" + name.replace(".", "/") + ending for name in STAND_IN_EXTENSIONS}
        show = "from giambio import build_info, native; print(native.KIND, build_info().build)"
        done = run_python(show, PYTHONPATH=str(project / "src"))
        assert done.stdout == "extension compiled\n", done.stderr

    def test_the_source_distribution_builds_a_working_pure_giambio(
        self, builder: Builder, checkout: Path, tmp_path: Path
    ) -> None:
        """The one build of the whole package here: from its own sdist, without a compiler."""
        before = files_below(checkout)
        code = "import setuptools.build_meta as b; b.build_sdist('../sdist')"
        command = [builder.python, "-c", code]
        subprocess.run(command, cwd=checkout, env=clean_environment(), check=True, timeout=240)
        assert files_below(checkout) == before, "the build left something in the checkout"

        (archive,) = (tmp_path / "sdist").iterdir()
        with tarfile.open(archive) as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(tmp_path)
        unpacked = tmp_path / archive.name.removesuffix(".tar.gz")
        folders = ("benchmarks", "changelog.d", "docs", "examples", "src", "tests")
        files = {*BUILD_FILES, "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
        wanted = {path for path in before if path.parts[0] in folders or str(path) in files}
        assert wanted - files_below(unpacked) == set()
        assert list((unpacked / "src").rglob("*.c")) == []

        wheel = builder.wheel(unpacked, CC="/bin/false")
        assert wheel.is_pure()
        expected = "pure: no C compiler (/bin/false: exit code 1)"
        assert expected in wheel.run("import giambio; print(giambio.build_info())")
        run_info = """
            import runpy, sys
            sys.argv[1:] = ["info"]
            runpy.run_module("giambio", run_name="__main__")
            """
        assert expected in wheel.run(run_info)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("create_task", "giambio.TaskManager.spawn does"),
        ("open_nursery", "giambio.TaskManager does"),
    ],
)
def test_a_name_from_elsewhere_tells_ours(name: str, hint: str) -> None:
    """Rule 19.7: those of asyncio, AnyIO and Trio that have another name here."""
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}'.*{hint}"):
        getattr(giambio, name)
    with pytest.raises(AttributeError, match=r"has no attribute 'TaskManger'$") as caught:
        giambio.TaskManger  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("TaskManger", giambio)


def test_the_names_that_are_told_exist() -> None:
    for ours in giambio._ELSEWHERE.values():
        operator.attrgetter(ours)(giambio)
