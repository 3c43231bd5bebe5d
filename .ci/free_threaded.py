"""A free-threaded CPython, for machines that have none: Debian ships only the source.

    python3 .ci/free_threaded.py        builds it if need be, and prints its path

A 3.13t yields the processor dozens of times when it closes a file, so it is slow to start on a busy
machine.

The newest version is taken whose source Debian hands out, of 3.14 and 3.13. It is built without
profiling, in some minutes, and kept for the next time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Self
from zipfile import Path as ZipPath
from zipfile import ZipFile

import apt
from jobs import CACHE, Unavailable
from pythons import Python

__all__ = ["FreeThreaded", "free_threaded_python", "install_dependencies"]

#: Debian's names of the sources, the most wanted first.
SOURCES = ("python3.14", "python3.13")
SUITES = ("unstable", "testing", "stable")
#: What the build needs, and a header or program by which to know whether it is there.
PACKAGES = {
    "make": "/usr/bin/make",
    "xz-utils": "/usr/bin/xz",
    "libssl-dev": "/usr/include/openssl/ssl.h",
    "zlib1g-dev": "/usr/include/zlib.h",
    "libffi-dev": "/usr/include/*/ffi.h",
    "libsqlite3-dev": "/usr/include/sqlite3.h",
}
CONFIGURATION = ("--disable-gil", "--disable-test-modules", "--with-ensurepip=install")
BUILD_SECONDS = 2400

Say = Callable[[str], object]


@dataclass
class FreeThreaded(Python):
    """A free-threaded interpreter."""

    @property
    def short(self) -> str:
        return f"{super().short}t"

    @classmethod
    def found(cls, say: Say) -> Self:
        """Return the one of `free_threaded_python`."""
        path = free_threaded_python(say)
        ask = "import sys; print(*sys.version_info[:3])"
        done = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=True)
        major, minor, micro = map(int, done.stdout.split())
        return cls(str(path), (major, minor, micro), "")


def free_threaded_python(say: Say = print) -> Path:
    """Return the path of a free-threaded Python, which is built if need be.

    Parameters:
        say: called with lines about what is being done.

    Raises:
        Unavailable: there is none.
    """
    for path in (*found_on_path(), *built()):
        if is_free_threaded(path):
            return path
    if sys.platform != "linux" or not shutil.which("apt-get"):
        raise Unavailable("none is installed, and only Debian's source can be built here")
    install_packages(say)
    with tempfile.TemporaryDirectory(prefix="giambio-python-") as folder:
        archive = download(Path(folder), say)
        return build(archive, Path(folder), say)


def found_on_path() -> Iterator[Path]:
    """The free-threaded Pythons that are installed, by their names."""
    for name in ("python3.15t", "python3.14t", "python3.13t"):
        found = shutil.which(name)
        if found is not None:
            yield Path(found)


def built() -> list[Path]:
    """Those that were built before, the newest version first."""
    found = CACHE.glob("python-*t/bin/python3")
    return sorted(found, key=lambda path: numbers(path.parts[-3]), reverse=True)


def numbers(text: str) -> list[int]:
    """The numbers in a text, to compare versions by."""
    return [int(number) for number in re.findall(r"\d+", text)]


def is_free_threaded(path: Path) -> bool:
    """Whether this is one, and works."""
    ask = "import ssl, sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED'))"
    done = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "1"


def install_packages(say: Say) -> None:
    """Install what the build needs.

    Raises:
        Unavailable: something is missing, and we may not install it.
    """
    missing = [name for name, sign in PACKAGES.items() if not any(Path("/").glob(sign[1:]))]
    if not missing:
        return
    if os.geteuid() != 0:
        raise Unavailable(f"to build it needs Debian's packages {', '.join(missing)}")
    say(f"installing {', '.join(missing)}")
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
    run(["apt-get", "update", "-q"], "apt-get update")
    run(install, f"installing {', '.join(missing)}")


def download(folder: Path, say: Say) -> Path:
    """Download the source, and return the path of the upstream's archive.

    Raises:
        Unavailable: Debian's archive cannot be reached, or hands out no source.
    """
    flags = apt.options(folder, *(("deb-src", suite) for suite in SUITES))
    run(["apt-get", *flags, "update", "-q"], "getting Debian's lists of sources", cwd=folder)
    for name in SOURCES:
        show = ["apt-cache", *flags, "showsrc", name]
        shown = subprocess.run(show, capture_output=True, text=True, check=False).stdout
        versions = set(re.findall(r"^Version: (\S+)$", shown, re.MULTILINE))
        for version in sorted(versions, key=numbers, reverse=True):
            fetch = ["apt-get", *flags, "source", "-q", "--download-only", f"{name}={version}"]
            fetched = subprocess.run(fetch, cwd=folder, capture_output=True, check=False)
            found = list(folder.glob(f"{name}_*.orig.tar.*z"))
            if fetched.returncode == 0 and found:
                say(f"the source is {name} {version}")
                return found[0]
            say(f"{name} {version} is listed, but not handed out")
    raise Unavailable(f"Debian hands out no source of {' or '.join(SOURCES)}")


def build(archive: Path, folder: Path, say: Say) -> Path:
    """Build the source, and return the path of the interpreter, in the cache.

    Raises:
        Unavailable: it does not build.
    """
    version = ".".join(map(str, numbers(archive.name.split("_")[1].split(".orig")[0])))
    target = CACHE / f"python-{version}t"
    source, objects = folder / "source", folder / "objects"
    for new in (source, objects):
        new.mkdir()
    run(["tar", "-xf", str(archive), "-C", str(source), "--strip-components=1"], "unpacking")
    say(f"building {target}")
    configure = [str(source / "configure"), "-q", f"--prefix={target}", *CONFIGURATION]
    run(configure, "configure", cwd=objects)
    make = ["make", "-s", f"-j{os.cpu_count() or 1}"]
    run(make, "make", cwd=objects)
    run(["make", "-s", "install"], "make install", cwd=objects)
    python = target / "bin" / "python3"
    if not is_free_threaded(python):
        shutil.rmtree(target)
        raise Unavailable("what was built is not free-threaded, or has no ssl")
    return python


def install_dependencies(python: str, wheel: str, say: Say) -> None:
    """Install a wheel of giambio's, and what its tests need as far as it has wheels there.

    What is missing is named: its tests are skipped.

    Parameters:
        python: the interpreter of the environment.
        wheel: the wheel's path.
        say: called with lines about what is missing.

    Raises:
        Unavailable: there is no pytest, or not even giambio can be installed.
    """
    pip = [python, "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    run([*pip, wheel], "installing giambio")
    for requirement in requirements(wheel, "test"):
        try:
            run([*pip, requirement], f"installing {requirement}")
        except Unavailable as reason:
            if requirement.startswith("pytest"):
                raise
            say(f"NOT CHECKED with {requirement}, which has no wheel for it: {reason}")


def requirements(wheel: str, extra: str) -> list[str]:
    """Return what a wheel says that it needs for an extra, also by others of its extras."""
    with ZipFile(wheel) as archive:
        (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        lines = PathDistribution(ZipPath(archive, f"{info}/")).requires or []
    found = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        if re.search(rf"extra == [\"']{extra}[\"']", marker):
            own = re.match(r"giambio\[([\w,]+)\]", requirement)
            found += requirements(wheel, own[1]) if own else [requirement.strip()]
    return found


def run(command: list[str], doing: str, cwd: Path | None = None) -> None:
    """Run a command.

    Raises:
        Unavailable: it failed; the message has the end of what it printed.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=BUILD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Unavailable(f"{doing}: {exc}") from exc
    if done.returncode:
        raise Unavailable(f"{doing} failed:\n{done.stdout[-2000:]}")


if __name__ == "__main__":
    try:
        print(free_threaded_python(lambda line: print(line, file=sys.stderr)))
    except Unavailable as reason:
        sys.exit(f"NOT CHECKED: {reason}")
