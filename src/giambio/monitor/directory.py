"""Where the monitors of a user's processes listen, and whose they are.

Each user has a directory of their own, which nobody else may enter or have made. A socket in it is
named after its process: the number, and when it has started, since numbers are used again.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["check", "folder_of", "make", "monitored", "name_of", "owner_of", "started"]

#: The variable that names another directory than the usual one.
VARIABLE = "GIAMBIO_MONITOR_DIR"

NAME = re.compile(r"(\d+)-(\d+)\.sock")


def folder_of(uid: int) -> Path:
    """Return the directory of a user, whether it exists or not.

    It does not depend on what a session sets, so that root finds a service's.
    """
    return Path(os.environ.get(VARIABLE) or f"/tmp/giambio-{uid}")


def make(uid: int) -> Path:
    """Return the directory of a user, and make it if it does not exist.

    Raises:
        PermissionError: it exists, and others may enter it or have made it.
        OSError: it cannot be made.
    """
    folder = folder_of(uid)
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        check(folder, uid)
    return folder


def check(folder: Path, uid: int) -> None:
    """Raise unless a directory belongs to a user alone.

    Raises:
        PermissionError: it does not.
        FileNotFoundError: there is none.
    """
    found = folder.lstat()
    problem = ""
    if not stat.S_ISDIR(found.st_mode):
        problem = "it is a link" if stat.S_ISLNK(found.st_mode) else "it is no directory"
    elif found.st_uid != uid:
        problem = f"it belongs to user {found.st_uid}, not to {uid}"
    elif found.st_mode & 0o077:
        problem = f"others may enter it: its mode is {stat.S_IMODE(found.st_mode):04o}, not 0700"
    if problem:
        raise PermissionError(
            f"giambio's monitor does not use {folder}: {problem}. Remove it, or set {VARIABLE} to "
            "a directory that nobody else can enter"
        )


def told_of(pid: int, name: str) -> str:
    """Return what the system tells of a process in one of its files.

    Raises:
        ProcessLookupError: there is no such process.
    """
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(f"there is no process {pid}") from None


def state_and_more(pid: int) -> list[str]:
    """Return the fields of a process's ``stat`` from its state on, which is a letter.

    Raises:
        ProcessLookupError: there is no such process.
    """
    # The field before is a name in parentheses, which may hold spaces and parentheses.
    return told_of(pid, "stat").rpartition(")")[2].split()


def started(pid: int) -> int:
    """Return when a process has started, in ticks of the system since it was booted.

    Raises:
        ProcessLookupError: there is no such process.
    """
    fields = state_and_more(pid)
    if fields[0] in "ZX":  # it has ended, and only its parent has not heard of it
        raise ProcessLookupError(f"process {pid} has ended")
    return int(fields[19])


def owner_of(pid: int) -> int:
    """Return the number of the user that a process runs as.

    Raises:
        ProcessLookupError: there is no such process.
    """
    lines = told_of(pid, "status").splitlines()
    return int(next(line for line in lines if line.startswith("Uid:")).split()[2])


def name_of(pid: int) -> str:
    """Return the name of a process's socket.

    Raises:
        ProcessLookupError: there is no such process.
    """
    return f"{pid}-{started(pid)}.sock"


def monitored(uid: int) -> Iterator[int]:
    """Yield the processes of a user that have a monitor, and remove what others have left behind.

    Raises:
        PermissionError: others may enter the directory.
    """
    folder = folder_of(uid)
    try:
        check(folder, uid)
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        match = NAME.fullmatch(name)
        if match is None:
            continue
        try:
            lives = started(int(match[1])) == int(match[2])
        except ProcessLookupError:
            lives = False
        if lives:
            yield int(match[1])
        else:
            (folder / name).unlink(missing_ok=True)
