"""A way into a process that has no monitor: Python 3.14 runs a script that a debugger hands to it.

The script starts a monitor, which ends with its client. The main thread runs it between two
instructions of Python, and an idle one waits in a system call. So it gets a kick: a tracer that
stops a thread ends its wait, as a signal does, and the program notices nothing. (SIGSTOP and
SIGCONT end it, too, but then a shell takes the terminal from a job in the foreground.)

Who may do this to a process is up to the system, which has the rules of debuggers.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from giambio.monitor import directory

__all__ = ["NoWayInError", "enter"]

#: The first Python that lets others in.
FIRST = (3, 14)
#: For how many seconds the main thread may not come to the script.
PATIENCE = 5.0
#: How long to wait for it between two kicks.
PAUSE = 0.1
#: How much a process may answer.
MOST_ANSWERED = 1 << 16

#: What runs in the process, in the names of no module of it. Whoever removes the file `wanted`
#: decides: if it is gone, the tool has given up. A thread starts the monitor, because the main
#: thread may hold locks just now.
SCRIPT = """
def enter(folder):
    import json, os, shutil, sys
    try:
        os.unlink(f"{{folder}}/wanted")
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        if "giambio" not in sys.modules:
            raise LookupError("it is a program without giambio")
        from giambio.monitor.start import start_for_client
        said = {{"folder": start_for_client()}}
    except BaseException as exc:
        said = {{"problem": str(exc)}}
    try:
        with open(f"{{folder}}/part", "w") as file:
            json.dump(said, file)
        os.rename(f"{{folder}}/part", f"{{folder}}/answer")
    except OSError:
        pass  # the tool has gone

import threading
threading.Thread(target=enter, args=[{folder!r}], name="giambio-way-in", daemon=True).start()
"""

#: What another Python runs for us: each can hand scripts to its own version only.
HAND_OVER = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])"

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
ANY_THREAD = 0x40000000  # __WALL
STOPPED_BY_US = 128  # PTRACE_EVENT_STOP


class NoWayInError(Exception):
    """A process cannot be entered; the message says why."""


def enter(pid: int) -> Path:
    """Have a process start a monitor, which ends with its client.

    Parameters:
        pid: the process, of this user, or of any if this one is root.

    Returns:
        The path of its socket.

    Raises:
        NoWayInError: it is not possible.
    """
    try:
        uid = directory.owner_of(pid)
        if uid != os.geteuid():  # its files may be traps, above all for root
            raise NoWayInError(
                f"it runs as user {uid}, and only that user can enter it: run this command as "
                "that user, or start the program with GIAMBIO_MONITOR=1"
            )
        version, executable = python_of(pid)
        check_is_here(pid)
        said = run_script(pid, version, executable)
        if "folder" not in said:
            raise NoWayInError(said.get("problem", "it does not answer"))
        sockets = Path(said["folder"])
        directory.check(sockets, uid)
        return sockets / directory.name_of(pid)
    except PermissionError as exc:
        raise NoWayInError(refusal(exc)) from None
    except OSError as exc:
        raise NoWayInError(str(exc)) from None


def run_script(pid: int, version: tuple[int, int], executable: str) -> dict[str, str]:
    """Have a process run the script, and return what it says.

    Raises:
        NoWayInError: it has refused, or does not come to it.
        PermissionError: the system has refused.
    """
    folder = Path(tempfile.mkdtemp(prefix="giambio-", dir="/tmp"))
    handed_over = False
    try:
        script = prepare(folder)
        hand_over(pid, version, executable, script)
        handed_over = True
        return answer_of(pid, folder)
    finally:
        # What has not run yet may do so later, and then removes this itself.
        if not (handed_over and gives_up(folder)):
            shutil.rmtree(folder, ignore_errors=True)


def gives_up(folder: Path) -> bool:
    """Whether the script does nothing from now on; False if it has begun."""
    try:
        (folder / "wanted").unlink()
    except FileNotFoundError:
        return False
    return True


def refusal(exc: PermissionError) -> str:
    """Return what keeps this user from a process."""
    try:
        scope = Path("/proc/sys/kernel/yama/ptrace_scope").read_text(encoding="ascii").strip()
    except OSError:
        scope = "0"
    if scope != "0":
        return f"the system keeps debuggers out (ptrace_scope is {scope}): root may, or it with 0"
    return f"the system keeps debuggers out ({exc.strerror}): CAP_SYS_PTRACE may be needed"


def python_of(pid: int) -> tuple[tuple[int, int], str]:
    """Return the version of Python that a process runs, and its executable.

    Raises:
        NoWayInError: it is none, or one that lets nobody in.
        PermissionError: the system does not tell.
    """
    executable = os.readlink(f"/proc/{pid}/exe")
    mapped = directory.told_of(pid, "maps")
    found = re.search(r"python3\.(\d+)t?$", executable) or re.search(r"/libpython3\.(\d+)", mapped)
    if found is None:
        raise NoWayInError(f"it runs {executable}, which is no Python that tells its version")
    version = (3, int(found[1]))
    if version < FIRST:
        raise NoWayInError(f"it runs on Python 3.{version[1]}, and others are let in from 3.14 on")
    return version, executable


def check_is_here(pid: int) -> None:
    """Raise unless a process sees the same files as this one.

    Raises:
        NoWayInError: it does not.
        PermissionError: the system does not tell.
    """
    for what in ("ns/mnt", "root"):
        if os.readlink(f"/proc/{pid}/{what}") != os.readlink(f"/proc/self/{what}"):
            raise NoWayInError("it is in a container or has another root: look from inside of it")


def prepare(folder: Path) -> Path:
    """Write what the process is to run.

    Returns:
        The path of the script.
    """
    script = folder / "script.py"
    script.write_text(SCRIPT.format(folder=str(folder)), encoding="utf-8")
    (folder / "wanted").touch()
    return script


def hand_over(pid: int, version: tuple[int, int], executable: str, script: Path) -> None:
    """Have the process run a script when it comes to it.

    Raises:
        NoWayInError: it has refused, or there is no Python here that could.
        PermissionError: the system has refused.
    """
    if version == sys.version_info[:2]:
        remote_exec: Any = vars(sys)["remote_exec"]
        try:
            remote_exec(pid, str(script))
        except RuntimeError as exc:
            raise NoWayInError(str(exc)) from None
        return
    owner = os.stat(executable)
    if owner.st_uid not in (0, os.geteuid()) or owner.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NoWayInError(
            f"this command runs on another version than its Python 3.{version[1]}, and does not "
            f"trust {executable}, which others may have written"
        )
    command = [executable, "-I", "-c", HAND_OVER, str(pid), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        if last.startswith("PermissionError"):
            raise PermissionError(1, last)
        raise NoWayInError(last.partition(": ")[2] or last)


def answer_of(pid: int, folder: Path) -> dict[str, str]:
    """Return what the process says, once it has run the script.

    Raises:
        NoWayInError: it does not.
    """
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        next_kick = time.monotonic() + PAUSE
        while time.monotonic() < next_kick:
            time.sleep(0.005)
            if (said := read(folder / "answer")) is not None:
                return said
        kick(pid)
    raise NoWayInError(
        "its main thread does not come to it: it is stopped, or in a call that nothing interrupts, "
        "such as time.sleep()"
    )


def read(path: Path) -> dict[str, str] | None:
    """Return what the process has written; it may be anything."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        said = json.loads(os.read(fd, MOST_ANSWERED))
    except (ValueError, RecursionError):
        return {}
    finally:
        os.close(fd)
    if not isinstance(said, dict):
        return {}
    return {key: text for key, text in said.items() if isinstance(text, str) and "\0" not in text}


def kick(pid: int) -> None:
    """End the system call in which a process's main thread waits, if it does.

    A debugger that holds the thread already keeps others out; the script has to wait then.
    """
    ptrace = ctypes.CDLL(None).ptrace
    ptrace.restype = ctypes.c_long
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if ptrace(SEIZE, pid, None, None) != 0:
        return
    ptrace(INTERRUPT, pid, None, None)
    _, status = os.waitpid(pid, ANY_THREAD)
    if os.WIFSTOPPED(status):
        # A signal that came first is passed on.
        passed_on = 0 if status >> 16 == STOPPED_BY_US else os.WSTOPSIG(status)
        ptrace(DETACH, pid, None, passed_on)
