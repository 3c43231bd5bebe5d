"""Debian unstable in a folder, for the Pythons that this machine does not have.

Debian has each new Python within weeks, with its headers, built and signed, and `mmdebstrap`
unpacks a small system of it in two minutes. Commands run in it by `inside.sh`, which mounts what
they need of this machine where nothing else sees it. It is made once and kept: in CACHE, or in the
folder of the run where that cannot be written. Whoever wants newer packages removes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from jobs import CACHE, Unavailable

#: The Pythons that it has.
VERSIONS = ("3.14", "3.15")
#: For each Python; and for building and testing giambio.
OF_EACH_PYTHON = ("python{}", "python{}-dev", "python{}-venv")
PACKAGES = (
    *(name.format(version) for version in VERSIONS for name in OF_EACH_PYTHON),
    *("ca-certificates", "curl", "gcc", "git", "libc6-dev", "libssl-dev", "openssl", "tmux"),
    "valgrind",
)
SECONDS_TO_MAKE = 900
INSIDE = Path(__file__).resolve().parent / "inside.sh"


def entrance(folder: Path) -> tuple[str, ...]:
    """Return what a command begins with that runs in Debian, somewhere in `folder`.

    Debian is made if it is not there. Temporary files of the commands are in `folder`, too.

    Raises:
        Unavailable: it cannot be made or used.
    """
    if os.geteuid() != 0:
        raise Unavailable("only root can use a Debian in a folder")
    if not (unshare := shutil.which("unshare")):
        raise Unavailable("there is no unshare (util-linux)")
    root = _root_in(folder)
    words = (unshare, "--mount", "sh", str(INSIDE), str(root), str(folder))
    done = subprocess.run([*words, "true"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"nothing can run in {root}: {_last_line(done.stderr)}")
    return words


def _root_in(folder: Path) -> Path:
    """Return where Debian is, after making it if need be."""
    # Another list of packages is another Debian.
    name = f"debian-{hashlib.sha256(' '.join(PACKAGES).encode()).hexdigest()[:12]}"
    cached = CACHE / name
    if cached.is_dir():
        print(f"== Debian unstable, made before: {cached}", flush=True)
        return cached
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        lock = (CACHE / "lock").open("w")
    except OSError:
        _make(folder / name)
        return folder / name
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be at it
        if not cached.is_dir():
            part = cached.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
            _make(part)
            part.rename(cached)
    return cached


def _make(root: Path) -> None:
    if not (mmdebstrap := shutil.which("mmdebstrap")):
        raise Unavailable("there is no mmdebstrap")
    print(f"== Debian unstable is made, in {root}", flush=True)
    # A mirror may be behind; the packages' signatures are checked all the same.
    late = '--aptopt=Acquire::Check-Valid-Until "false"'
    command = [mmdebstrap, "--variant=minbase", late, f"--include={','.join(PACKAGES)}"]
    command += ["unstable", str(root)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS_TO_MAKE
        )
    except subprocess.TimeoutExpired:
        shutil.rmtree(root, ignore_errors=True)
        raise Unavailable(f"mmdebstrap took more than {SECONDS_TO_MAKE} s") from None
    if done.returncode:
        print(done.stderr, flush=True)
        shutil.rmtree(root, ignore_errors=True)
        raise Unavailable(f"mmdebstrap has failed: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
