"""Other systems than this one: compiled for all, and tried where one can be had.

Zig's C compiler comes from PyPI with the headers of all systems, so everything that Cython makes
is compiled for each of them. For two a Python is at hand, in which `smoke.py` runs: Debian's for
64-bit ARM in an emulator, and one that is linked with musl, which `musl_python.py` builds. Both
are kept in a folder outside of the run. This file alone, `python .ci/places.py`, does these jobs
and no others.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from jobs import CACHE, Job, JobFailed, Jobs, Lane, Unavailable, environment

MUSL = CACHE / "musl-python"
#: The release of Debian whose Python for ARM is taken.
DEBIAN = "trixie"
ARM, ARM_PYTHON = "aarch64-linux-gnu", CACHE / f"{DEBIAN}-arm64"
ONLY_COMPILED = ("aarch64-linux-musl", "aarch64-macos", "x86_64-macos", "x86_64-windows-gnu")
QEMU = "qemu-aarch64-static"
SECONDS = 2400


class Places:
    """The jobs for other systems, in one run."""

    def __init__(self, folder: Path, sources: Path, python: str) -> None:
        self.folder = folder / "places"
        self.sources = sources
        self._python = python
        #: The prefixes of the Pythons that there are, and why others are missing.
        self.pythons: dict[str, Path] = {}
        self.lacks: dict[str, str] = {}

    def start(self, jobs: Jobs, lane: Lane) -> None:
        """Start them."""
        compiled = jobs.start(lane, "places: compile for all systems", self.compile)
        for target, command in (
            (ARM, [QEMU, "-L", str(ARM_PYTHON), str(ARM_PYTHON / "usr" / "bin" / "python3")]),
            ("x86_64-linux-musl", [str(MUSL / "bin" / "python3")]),
        ):

            def smoke(job: Job, target: str = target, command: list[str] = command) -> None:
                if not compiled.result():
                    raise Unavailable("nothing was compiled for it")
                self.smoke(target, command, job)

            jobs.start(lane, f"places: smoke test, {target}", smoke)

    def compile(self, job: Job) -> None:
        """Compile for every system, and link for those of which there is a Python."""
        self.find_pythons(job)
        tools = self.folder / "tools"
        job.run([self._python, "-m", "venv", str(tools)], cwd=self.sources, env=environment())
        python = str(tools / "bin" / "python")
        install = [python, "-m", "pip", "install", "-q", "ziglang", "Cython>=3.3,<4"]
        try:
            job.run([*install, "setuptools>=77"], cwd=self.sources, env=environment())
        except JobFailed as problem:
            raise Unavailable(f"Zig's compiler cannot be had: {problem}") from None
        wanted = [f"{target}={prefix}" for target, prefix in self.pythons.items()]
        wanted += [*self.lacks, *ONLY_COMPILED]
        command = [python, ".ci/cross_compile.py", str(self.folder), *wanted]
        job.run(command, cwd=self.sources, env=environment(), timeout=SECONDS)

    def find_pythons(self, job: Job) -> None:
        """Look for the Pythons of other systems, and make the one that does not take long."""
        try:
            make_arm_python(job)
            self.pythons[ARM] = ARM_PYTHON / "usr"
        except (JobFailed, Unavailable) as problem:
            self.lacks[ARM] = str(problem)
        if (MUSL / "bin" / "python3").exists():
            self.pythons["x86_64-linux-musl"] = MUSL
        else:
            self.lacks["x86_64-linux-musl"] = (
                f"no Python that is linked with musl in {MUSL}; "
                "`python .ci/musl_python.py` builds one in some minutes"
            )

    def smoke(self, target: str, command: list[str], job: Job) -> None:
        """Run `smoke.py` in a Python of another system."""
        if target in self.lacks:
            raise Unavailable(f"compiled only: {self.lacks[target]}")
        # Programs that it starts are those of this system, so its Python needs a script.
        start = self.folder / f"python-{target}"
        start.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n', encoding="utf-8")
        start.chmod(0o755)
        for build, pure in (("compiled", ""), ("pure", "1")):
            variables = environment(
                PYTHONPATH=str(self.folder / target), SMOKE_PYTHON=str(start), GIAMBIO_PURE=pure
            )
            smoke = [str(start), ".ci/smoke.py", build]
            job.run(smoke, cwd=self.sources, env=variables, timeout=SECONDS)


def make_arm_python(job: Job) -> None:
    """Unpack Debian's Python for 64-bit ARM, unless that was done before.

    Nothing of it is run, so neither root nor an emulator is needed for this.

    Raises:
        Unavailable: a program for it is missing.
        JobFailed: Debian's packages cannot be had.
    """
    for program in (QEMU, "mmdebstrap"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")
    if ARM_PYTHON.exists():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        made = Path(folder, "root")
        command = ["mmdebstrap", "--variant=extract", "--arch=arm64"]
        command += ["--include=base-files,python3,libpython3-dev,ca-certificates"]
        # A mirror's index may be past its date; its signature is checked all the same.
        command += ['--aptopt=Acquire::Check-Valid-Until "false"', DEBIAN, str(made)]
        source = f"deb http://deb.debian.org/debian {DEBIAN} main"
        job.run([*command, source], cwd=CACHE, env=environment(), timeout=SECONDS)
        made.rename(ARM_PYTHON)


def main() -> int:
    jobs = Jobs()
    with tempfile.TemporaryDirectory(prefix="giambio-places-") as folder:
        Path(folder, "places").mkdir()
        places = Places(Path(folder), Path(__file__).resolve().parent.parent, sys.executable)
        with Lane(1) as lane:
            places.start(jobs, lane)
    print(f"\n{jobs.summary()}")
    return 1 if jobs.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
