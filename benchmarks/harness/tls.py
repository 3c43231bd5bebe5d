"""Makes the certificate of the TLS servers, so that no key has to lie in the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from harness.errors import BenchmarkError


def make_certificate(path: Path) -> None:
    """Write a certificate for localhost and its key into one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise BenchmarkError("openssl was not found, which makes the certificate: install openssl")
    key = path.with_suffix(".key")
    command = [openssl, "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-keyout", str(key), "-out", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchmarkError(f"openssl could not make a certificate:\n{done.stderr.strip()}")
    path.write_text(path.read_text() + key.read_text())
