"""Builds a CPython that is linked with musl, for `places.py`: `python .ci/musl_python.py`.

There is none to download where Alpine's packages are out of reach. So Debian's source of CPython
is compiled by Zig (`python -m pip install ziglang`), against the musl of Debian's package. It
takes some five minutes on two idle cores, needs apt and dpkg, and not root. The Python has no
SSL, zlib or ctypes, whose libraries would have to be built before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import apt
from jobs import CACHE
from places import DEBIAN, MUSL

VERSION = "3.13"
TARGET = "x86_64-linux-musl"
#: The modules' own warnings are CPython's affair; the date of a build is one that Zig refuses.
FLAGS = "-O1 -DNDEBUG -g0 -w -Wno-date-time -fno-sanitize=undefined"


def run(*command: str, cwd: Path) -> None:
    """Run a command; what fails ends the program."""
    print("$", *command, flush=True)
    subprocess.run(command, cwd=cwd, check=True)


def download(folder: Path) -> None:
    """Get the source of CPython and the package of musl, without touching this system's apt."""
    options = apt.options(folder, ("deb", DEBIAN), ("deb-src", DEBIAN))
    run("apt-get", *options, "-q", "update", cwd=folder)
    run("apt-get", *options, "-q", "--download-only", "source", f"python{VERSION}", cwd=folder)
    run("apt-get", *options, "-q", "download", "musl:amd64", cwd=folder)


def unpack(folder: Path, pattern: str, *command: str) -> None:
    """Unpack the one file that was downloaded under a name like this."""
    (file,) = folder.glob(pattern)
    run(*(str(file) if word == "FILE" else word for word in command), cwd=folder)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="giambio-musl-") as name:
        folder = Path(name)
        download(folder)
        (folder / "source").mkdir()
        unpack(folder, "*.orig.tar.xz", "tar", "-xf", "FILE", "-C", "source", "--strip=1")
        unpack(folder, "musl_*.deb", "dpkg-deb", "-x", "FILE", "musl")
        loader = MUSL / "lib" / "ld-musl-x86_64.so.1"
        loader.parent.mkdir(parents=True, exist_ok=True)
        loader.write_bytes((folder / f"musl/usr/lib/{TARGET}/libc.so").read_bytes())
        loader.chmod(0o755)

        zig = f"{sys.executable} -m ziglang cc -target {TARGET}"
        configure = ["source/configure", "-q", f"--prefix={MUSL}", "--without-ensurepip"]
        configure += ["--disable-test-modules", "--with-pkg-config=no"]
        configure += [f"CC={zig} -dynamic", f"CPP={zig} -E", f"OPT={FLAGS}", "AR=ar"]
        # Its own loader, so that it runs where no musl is installed.
        configure += ["RANLIB=ranlib", f"LDFLAGS=-s -Wl,-dynamic-linker,{loader}"]
        run(*configure, cwd=folder)
        # What lacks a library is left out.
        run("make", "-s", "-k", f"-j{os.cpu_count()}", cwd=folder)
        run("make", "-s", "install", cwd=folder)
    run(str(MUSL / "bin" / "python3"), "-c", "import sys; print(sys.version)", cwd=CACHE)


if __name__ == "__main__":
    main()
