"""The servers on the other side: Debian's, each started on a free port, with a folder of its own.

A program that is missing is an error: nothing here is skipped.
"""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.net import server_port

__all__ = ["mosquitto", "postgresql", "redis_server", "running"]

SECONDS_TO_START = 30
#: PostgreSQL refuses to run as root, and Debian's package makes this user.
POSTGRES = "postgres"


@contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, from when it takes connections."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            try:
                wait_until_served(port, process)
            except AssertionError as error:
                log.seek(0)
                error.add_note(log.read().decode(errors="replace"))
                raise
            yield process
        finally:
            process.terminate()
            process.wait()


def wait_until_served(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return as soon as a port takes connections."""
    end = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < end:
        try:
            return socket.create_connection(("127.0.0.1", port), SECONDS_TO_START).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise AssertionError(f"no server on port {port}")


def program(name: str, *folders: str) -> str:
    """Return the path of a program.

    Raises:
        AssertionError: it is not installed.
    """
    path = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *folders]))
    assert path is not None, f"{name} is not installed; Debian has a package with it"
    return path


@contextmanager
def redis_server() -> Iterator[int]:
    """Redis, which keeps nothing; yields its port."""
    port = server_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    with running([*command, "--save", "", "--appendonly", "no", "--dir", "/tmp"], port):
        yield port


@contextmanager
def mosquitto() -> Iterator[int]:
    """An MQTT broker; yields its port."""
    port = server_port()
    with running([program("mosquitto", "/usr/sbin"), "-p", str(port)], port):
        yield port


@contextmanager
def postgresql() -> Iterator[int]:
    """PostgreSQL with a new, empty database of the user "postgres"; yields its port."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    user = [program("runuser", "/usr/sbin"), "-u", POSTGRES, "--"] if os.geteuid() == 0 else []
    port = server_port()
    with tempfile.TemporaryDirectory(prefix="giambio-postgres-") as folder:
        if user:
            shutil.chown(folder, POSTGRES)
        data = str(Path(folder, "data"))
        initdb = [program("initdb", *folders), "-D", data, "-U", POSTGRES, "--auth=trust", "-N"]
        subprocess.run([*user, *initdb], check=True, stdout=subprocess.DEVNULL, cwd="/")
        command = [program("postgres", *folders), "-D", data, "-p", str(port), "-k", folder]
        with running([*user, *command, "-c", "fsync=off", "-h", "127.0.0.1"], port):
            ready = [program("pg_isready", *folders), "-q", "-h", "127.0.0.1", "-p", str(port)]
            while subprocess.run(ready).returncode:
                time.sleep(0.05)
            yield port
