"""Compiles giambio's extensions: all of them, or none.

What is static stands in pyproject.toml. This file adds what depends on the machine:
where there is no working C compiler the wheel becomes a pure one, and the reason goes
into it, because pip hides build output. Environment variables have a say:

    GIAMBIO_NO_EXTENSIONS=1       do not even try to compile
    GIAMBIO_REQUIRE_EXTENSIONS=1  fail instead of installing the pure build

Everything that a build writes goes to a temporary folder. Only extensions built
"in place" (`build_ext --inplace`, `pip install -e .`) land in the checkout.
"""

from __future__ import annotations

import atexit
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, CompileError

SOURCES = "src"
PACKAGE = f"{SOURCES}/giambio"
#: Included before each translated module, so that its tracebacks name files that exist.
TRACEBACK_PATHS = f"{PACKAGE}/_build/traceback_paths.h"
DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,
    "auto_pickle": False,
    "binding": True,
    "embedsignature": False,
    "freethreading_compatible": True,  # loops share nothing that they write: see docs/design.md
}
#: What Cython would put into each extension, in one of its own: a sixth less to install.
SHARED = "giambio._build.shared"
#: In these packages the check would cost an echo 6 %, and users make no object by its class.
UNCHECKED = ("giambio.drivers.", "giambio.kernel.", "giambio.net.")
#: But these are called with what such an object has.
CHECKED = ("giambio.kernel.kernel", "giambio.kernel.task", "giambio.kernel.wait_queue")


def checks_for_none(name: str) -> bool:
    """Return whether a module takes nothing for granted about objects it is called on.

    An object whose constructor never ran (`Class.__new__(Class)`, a subclass that forgets
    `super().__init__()`) has None in its fields, which compiled code may take for an object.
    """
    return name in CHECKED or not name.startswith(UNCHECKED)


# What a compiler, or its absence, raises.
FAILURES = (BaseError, CCompilerError)

rules = runpy.run_path(f"{PACKAGE}/_build/selection.py")
is_set = rules["is_set"]

output = tempfile.mkdtemp(prefix="giambio-build-")
atexit.register(shutil.rmtree, output, ignore_errors=True)


def reason_not_to_compile() -> str:
    """Return why this Python gets the pure build in any case, "" if it does not."""
    if is_set("GIAMBIO_NO_EXTENSIONS"):
        return "GIAMBIO_NO_EXTENSIONS was set when it was installed"
    if sys.implementation.name != "cpython":
        return "the extensions need CPython"
    return ""


class Build(build):
    """Builds the package, and writes into it what became of the extensions."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.reason = reason_not_to_compile()

    def run(self) -> None:
        super().run()
        names = tuple(extension.name for extension in self.distribution.ext_modules or ())
        sources = rules["extension_sources"](PACKAGE)
        for source in sources.values() if names else ():
            # Tracebacks show lines of the native modules too; the Python twins have others.
            if source.endswith(".pyx"):
                shutil.copy(source, Path(self.build_lib, os.path.relpath(source, SOURCES)))
        Path(self.build_lib, "giambio", "_build", "_built.py").write_text(
            '"""Written by setup.py when this giambio was built, for `selection.py`."""\n\n'
            f"EXTENSIONS: tuple[str, ...] = {names!r}\n"
            f"REASON = {self.reason!r}\n",
            encoding="utf-8",
        )


class BuildExtensions(build_ext):
    """Translates and compiles the extensions; if one fails, there are none."""

    def run(self) -> None:
        self.translate()
        try:
            super().run()
        except FAILURES as error:
            if is_set("GIAMBIO_REQUIRE_EXTENSIONS"):
                raise CompileError(f"GIAMBIO_REQUIRE_EXTENSIONS cannot be met: {error}") from error
            self.give_up(str(error))

    def translate(self) -> None:
        """Have Cython translate the sources. Its errors are ours, so they end the build."""
        from Cython.Build import cythonize

        translated = []
        for checked in (False, True):
            translated += cythonize(
                [one for one in self.extensions if checks_for_none(one.name) == checked],
                nthreads=os.cpu_count() or 1,
                build_dir=output,
                include_path=[SOURCES],
                shared_utility_qualified_name=SHARED,
                shared_utility_features_disabled=("MemoryView",),  # we have none
                compiler_directives=DIRECTIVES | {"nonecheck": checked},
            )
        c_files = {extension.name: extension.sources for extension in translated}
        for extension in self.extensions:
            extension.sources = c_files[extension.name]
            check_tracebacks(Path(extension.sources[0]))

    def build_extensions(self) -> None:
        os.environ["LC_ALL"] = "C"  # `failure_of` reads the compiler's messages
        self.try_compiler()
        self.parallel = self.parallel or True
        try:
            super().build_extensions()
        except FAILURES:
            # Once more, one after the other, to see whose error it is. Those which are
            # built already are skipped.
            for extension in self.extensions:
                if failure := failure_of(partial(self.build_extension, extension)):
                    raise CompileError(
                        f"the C compiler failed on {extension.name} ({failure})"
                    ) from None

    def try_compiler(self) -> None:
        """Compile one line, to tell a missing compiler from code that it does not take."""
        source = Path(output, "try_compiler.c")
        source.write_text("int works;\n")
        compilation = partial(self.compiler.compile, [str(source)], output_dir=self.build_temp)
        if failure := failure_of(compilation):
            raise CompileError(f"no C compiler ({failure})")

    def build_extension(self, extension: Extension) -> None:
        if self.compiler.compiler_type == "msvc":
            extension.extra_compile_args = [f"/FI{TRACEBACK_PATHS}"]
        else:
            extension.extra_compile_args = ["-include", TRACEBACK_PATHS]
        # Python's own flags ask for debug information, which takes a third of the time.
        if self.compiler.compiler_type == "unix" and "CFLAGS" not in os.environ:
            extension.extra_compile_args += ["-O2", "-g0"]
        super().build_extension(extension)

    def give_up(self, reason: str) -> None:
        """Leave nothing compiled behind."""
        print(f"giambio: the pure build, without extensions: {reason}", file=sys.stderr)
        for extension in self.extensions:
            Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
        self.extensions = []
        self.distribution.ext_modules = []
        self.get_finalized_command("build").reason = reason


def check_tracebacks(c_file: Path) -> None:
    """Make sure that Cython still makes its tracebacks with the function that we replace.

    Raises:
        CompileError: it does not. Then `TRACEBACK_PATHS` has to be adapted to this Cython.
    """
    text = c_file.read_text(encoding="utf-8")
    if "__Pyx_AddTraceback(" in text and "PyCode_NewEmpty(filename, " not in text:
        raise CompileError(f"{c_file.name}: {TRACEBACK_PATHS} does not fit this version of Cython")


def failure_of(compilation: Callable[[], object]) -> str:
    """Run a compilation and return its first error line, "" if it succeeds."""
    log = Path(output, "compiler.log")
    try:
        with printing_to(log):
            compilation()
    except FAILURES as error:
        printed = log.read_text(errors="replace")
        print(printed, file=sys.stderr)
        error_line = re.search(r"(fatal )?\berror( \w+)?: .*", printed)
        return error_line[0].strip() if error_line else short_text(error)
    return ""


def short_text(error: Exception) -> str:
    """Return what an exception says, without the compiler's whole command line."""
    cause = error.args[0] if error.args else None
    if isinstance(cause, FileNotFoundError):
        return f"{cause.filename}: command not found"
    if isinstance(cause, subprocess.CalledProcessError):
        return f"{cause.cmd[0]}: exit code {cause.returncode}"
    return str(error)


@contextmanager
def printing_to(log: Path) -> Iterator[None]:
    """Send what this process and its children print to a file for a while."""
    streams = (sys.stdout, sys.stderr)
    descriptors = (1, 2)
    saved = [os.dup(descriptor) for descriptor in descriptors]
    try:
        with log.open("wb") as file:
            for stream, descriptor in zip(streams, descriptors, strict=True):
                stream.flush()
                os.dup2(file.fileno(), descriptor)
        yield
    finally:
        for stream, descriptor, copy in zip(streams, descriptors, saved, strict=True):
            stream.flush()
            os.dup2(copy, descriptor)
            os.close(copy)


class BuildWheel(bdist_wheel):
    """Makes the wheel, whose tags depend on whether the extensions could be built."""

    def run(self) -> None:
        self.run_command("build")
        self.skip_build = True
        self.root_is_pure = not self.distribution.has_ext_modules()
        super().run()


def extensions() -> list[Extension]:
    reason = reason_not_to_compile()
    if reason and is_set("GIAMBIO_REQUIRE_EXTENSIONS"):
        sys.exit(f"GIAMBIO_REQUIRE_EXTENSIONS cannot be met: {reason}")
    if reason:
        return []
    return extensions_of(rules["extension_sources"](PACKAGE))


def extensions_of(sources: dict[str, str]) -> list[Extension]:
    """Return the extensions for modules, and the one that these share."""
    shared = {SHARED: f"{PACKAGE}/_build/shared.c"}  # Cython writes it
    return [Extension(name, [source]) for name, source in (sources | shared).items()]


if __name__ == "__main__":
    setup(
        ext_modules=extensions(),
        cmdclass={"bdist_wheel": BuildWheel, "build": Build, "build_ext": BuildExtensions},
        options={"build": {"build_base": output}, "egg_info": {"egg_base": output}},
    )
