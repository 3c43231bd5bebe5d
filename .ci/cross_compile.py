"""Compiles giambio's extensions for other systems, with Zig's C compiler.

    python .ci/cross_compile.py FOLDER TARGET[=PREFIX] ...

It is run in the checkout, by a Python that has ziglang, Cython and setuptools. Where nothing but
the target is given, the modules are only compiled, against this Python's headers with a
`pyconfig.h` for that system (`headers/`). With the prefix of a Python for the target they are
linked against its headers, and FOLDER/TARGET gets a package that it can import.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

#: What is compiled for, and what `sys.platform` and `os.name` are there.
TARGETS = {
    "aarch64-linux-gnu": ("linux", "posix"),
    "aarch64-linux-musl": ("linux", "posix"),
    "x86_64-linux-musl": ("linux", "posix"),
    "aarch64-macos": ("darwin", "posix"),
    "x86_64-macos": ("darwin", "posix"),
    "x86_64-windows-gnu": ("win32", "nt"),
}
FLAGS = ["-g0", "-w", "-DNDEBUG", "-fno-strict-aliasing", "-fno-sanitize=undefined"]
HEADERS = Path(__file__).with_name("headers")
#: Those of systems other than Linux are left out of it; they have no module that Linux lacks.
MOST = TARGETS["aarch64-linux-gnu"]


class Modules:
    """The extensions, as C files."""

    def __init__(self) -> None:
        tools: Any = import_module("setuptools")
        self.setup = runpy.run_path("setup.py")
        extensions = self.setup["extensions_of"](self.sources_for(MOST))
        build = self.setup["BuildExtensions"](tools.Distribution({"ext_modules": extensions}))
        build.finalize_options()
        build.translate()
        self.all = {extension.name: extension for extension in extensions}

    def sources_for(self, platforms: tuple[str, str]) -> dict[str, str]:
        """Return the modules that are compiled on a system, and their sources."""
        sources: dict[str, str] = self.setup["rules"]["extension_sources"](
            self.setup["PACKAGE"], platforms
        )
        return sources


@dataclass
class Place:
    """A system to compile for: its target, the prefix of a Python for it or "", and the output."""

    target: str
    prefix: str
    folder: Path

    def options(self, modules: Modules) -> list[str]:
        """Return the compiler's options."""
        options = ["-target", self.target, *FLAGS, "-include", modules.setup["TRACEBACK_PATHS"]]
        if "windows" not in self.target:
            options.append("-fPIC")
        if self.prefix:
            (headers,) = Path(self.prefix, "include").glob("python3.*")
            # Debian has the facts of a machine beside the headers of all.
            return [*options, "-O1", f"-I{headers}", "-idirafter", str(headers.parent)]
        system = "windows" if "windows" in self.target else "posix"
        headers = self.folder / "headers"
        shutil.copytree(sysconfig.get_path("include"), headers, dirs_exist_ok=True)
        shutil.copy(HEADERS / system / "pyconfig.h", headers)
        return [*options, "-O0", f"-I{headers}"]

    def compile(self, modules: Modules, pool: ThreadPoolExecutor) -> list[str]:
        """Compile all modules that are meant for it; return what the compiler says of errors."""
        options = self.options(modules)
        names = (*modules.sources_for(TARGETS[self.target]), modules.setup["SHARED"])
        chosen = [modules.all[name] for name in names]
        said = pool.map(lambda extension: self.compile_one(options, extension), chosen)
        failures = list(filter(None, said))
        done = len(chosen) - len(failures)
        print(f"{self.target}: {done} of {len(chosen)} modules compiled", flush=True)
        if self.prefix:
            self.add_package(modules.setup["PACKAGE"], names)
        return failures

    def compile_one(self, options: list[str], extension: Any) -> str:
        """Compile a module, and return what the compiler says if it fails."""
        kind, suffix = ("-shared", ".so") if self.prefix else ("-c", ".o")
        output = self.folder.joinpath(*extension.name.split(".")).with_suffix(suffix)
        output.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ziglang", "cc", *options, kind]
        command += [extension.sources[0], "-o", str(output)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return f"{self.target}, {extension.name}:\n{done.stderr}" if done.returncode else ""

    def add_package(self, package: str, names: tuple[str, ...]) -> None:
        """Put the Python modules beside the compiled ones, as setup.py does in a wheel."""
        shutil.copytree(
            package,
            self.folder / "giambio",
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("*.so", "__pycache__"),
        )
        built = self.folder / "giambio" / "_build" / "_built.py"
        built.write_text(
            f'"""By cross_compile.py."""\n\nEXTENSIONS = {names!r}\nREASON = ""\n', "utf-8"
        )


def main(folder: str, *wanted: str) -> int:
    modules = Modules()
    failures = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for word in wanted:
            target, _, prefix = word.partition("=")
            place = Place(target, prefix, Path(folder, target))
            failures += place.compile(modules, pool)
    print(*failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
