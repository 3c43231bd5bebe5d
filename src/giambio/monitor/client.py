"""The tool's side: find a process by number or name, and ask its monitor."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from giambio.monitor import directory
from giambio.monitor.protocol import ProtocolError, check_version, question
from giambio.monitor.way_in import NoWayInError, enter

__all__ = ["Connection", "LookError", "Program", "find", "programs"]

#: For how many seconds to wait for an answer. A loop that is busy, in the pure build, can keep
#: other threads from running for seconds: it gives the interpreter up too often for their requests.
PATIENCE = 30.0
#: After how many of them to see whether the process can answer at all.
PAUSE = 1.0

#: The states of a process, as the system writes them, in which its monitor cannot answer.
CANNOT_ANSWER = {"T": "it is stopped (by Ctrl-Z or SIGSTOP)", "t": "a debugger holds it"}


class LookError(Exception):
    """A process cannot be looked into; the message says why, and what to do."""


class Program(NamedTuple):
    """A process that has a monitor."""

    pid: int
    uptime: float
    command: str


def programs() -> list[Program]:
    """Return the processes of this user that can be looked into, without this one.

    Raises:
        LookError: the directory of their sockets is not safe.
    """
    try:
        return [program(pid) for pid in directory.monitored(os.geteuid()) if pid != os.getpid()]
    except PermissionError as exc:
        raise LookError(str(exc)) from None


def program(pid: int) -> Program:
    """Describe a process; what it does not tell any more, because it has ended, is left empty."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        ticks = directory.started(pid)
    except OSError:
        return Program(pid, 0.0, "")
    up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    command = " ".join(os.fsdecode(word) for word in words)
    return Program(pid, max(0.0, up - ticks / os.sysconf("SC_CLK_TCK")), command)


def find(who: str) -> int:
    """Return the process that a user has named.

    Parameters:
        who: its number, or a part of its command line that no other one has.

    Raises:
        LookError: none is called so, or several.
    """
    if who.isascii() and who.isdigit():
        return int(who)
    found = [one for one in programs() if who in one.command]
    if not found:
        raise LookError(
            f"no program with a monitor has {who!r} in its command line; "
            "`python -m giambio ps` lists those that have one"
        )
    if len(found) > 1:
        these = "".join(f"\n  {one.pid}  {one.command}" for one in found)
        raise LookError(f"{who!r} is in the command lines of several programs:{these}")
    return found[0].pid


class Connection:
    """A connection to the monitor of a process.

    Raises:
        LookError: there is none.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._rest = b""
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(PAUSE)
        try:
            try:
                self._connect(str(socket_of(pid)))
            except (FileNotFoundError, ConnectionRefusedError):
                self._connect(str(way_in(pid)))
        except LookError:
            self._sock.close()
            raise
        except OSError as exc:
            self._sock.close()
            raise LookError(f"process {pid} cannot be asked: {exc}") from None

    def _connect(self, path: str) -> None:
        """Connect, and wait for a place if many others are about to."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self._sock.connect(path)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise LookError(
                        f"process {self._pid} does not answer: {why_silent(self._pid)}"
                    ) from None
                time.sleep(0.02)
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sock.close()

    def ask(self, command: str) -> Any:
        """Return the answer to a question.

        Raises:
            LookError: there is none.
        """
        try:
            self._sock.sendall(question(command))
            line = self._read_line()
        except TimeoutError:
            raise LookError(
                f"process {self._pid} does not answer: {why_silent(self._pid)}"
            ) from None
        except OSError:  # it is gone; it may have said why
            line = b""
        if not line.endswith(b"\n"):
            raise LookError(f"process {self._pid} has ended, or its monitor has hung up")
        said = json.loads(line)
        if "error" in said:
            raise LookError(said["error"])
        try:
            check_version(said, f"process {self._pid}")
        except ProtocolError as exc:
            raise LookError(str(exc)) from None
        return said["answer"]

    def _read_line(self) -> bytes:
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            parts.append(self._receive())
            if not parts[-1]:
                return b""
        line, end, self._rest = b"".join(parts).partition(b"\n")
        return line + end

    def _receive(self) -> bytes:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return self._sock.recv(1 << 20)
            except TimeoutError:
                if time.monotonic() > until or state_of(self._pid) in CANNOT_ANSWER:
                    raise


def socket_of(pid: int) -> Path:
    """Return the path of a process's socket.

    Raises:
        LookError: there is no such process, or it is none of this user's, or its directory is not
            safe.
        FileNotFoundError: its user has no directory for sockets.
    """
    try:
        uid = directory.owner_of(pid)
        name = directory.name_of(pid)
    except ProcessLookupError as exc:
        raise LookError(str(exc)) from None
    if os.geteuid() not in (0, uid):
        raise LookError(
            f"process {pid} runs as user {uid}; only that user and root may look into it"
        )
    folder = directory.folder_of(uid)
    try:
        directory.check(folder, uid)
    except PermissionError as exc:
        raise LookError(str(exc)) from None
    return folder / name


def way_in(pid: int) -> Path:
    """Return the path of the socket of a process that had none, and has let us in.

    Raises:
        LookError: there is no way in.
    """
    try:
        return enter(pid)
    except NoWayInError as exc:
        raise LookError(
            f"process {pid} has no monitor; start it with GIAMBIO_MONITOR=1 in its environment, or "
            f"have it call giambio.start_monitor() (and it cannot be entered: {exc})"
        ) from None


def why_silent(pid: int) -> str:
    """Return what may keep the monitor of a process from answering."""
    state = state_of(pid)
    if not state:
        return "it has ended"
    return CANNOT_ANSWER.get(
        state, "perhaps it is in a call of C code that keeps all other threads from running"
    )


def state_of(pid: int) -> str:
    """Return the state of a process, as the system writes it, or "" if it has ended."""
    try:
        return directory.state_and_more(pid)[0]
    except OSError:
        return ""
