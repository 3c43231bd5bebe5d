"""Where measurements take place: two cores, a folder for logs, and programs compiled once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.native import compile_program
from harness.tls import make_certificate


@dataclass(frozen=True)
class Bench:
    folder: Path
    """A temporary one."""
    server_core: int
    load_core: int
    _programs: dict[tuple[str, ...], Path] = field(default_factory=dict)

    def program(self, name: str, *flags: str) -> Path:
        """The program `native/NAME.c`, compiled when it is first needed."""
        key = name, *flags
        if key not in self._programs:
            output = self.folder / f"{name}-{len(self._programs)}"
            compile_program(name, output, flags)
            self._programs[key] = output
        return self._programs[key]

    def certificate(self) -> Path:
        """A certificate and its key in one file, made when it is first needed."""
        path = self.folder / "certificate.pem"
        if not path.exists():
            make_certificate(path)
        return path

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"
