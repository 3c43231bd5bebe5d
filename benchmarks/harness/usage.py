"""What a process has used so far, as its kernel accounts for it."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Usage:
    """Seconds, all threads of the process together."""

    cpu: float
    """User and system time, to the nanosecond."""
    user: float
    system: float
    """The two parts as the kernel splits them: by sampling, in ticks of 10 ms."""
    waited: float
    """Ready to run, but another process had the core: the measurement was disturbed."""

    @property
    def user_share(self) -> float:
        return self.user / (self.user + self.system) if self.user else 0.0

    def since(self, earlier: Usage) -> Usage:
        return Usage(
            self.cpu - earlier.cpu,
            self.user - earlier.user,
            self.system - earlier.system,
            self.waited - earlier.waited,
        )


def usage(pid: int) -> Usage:
    cpu = time.clock_gettime_ns(_cpu_clock(pid)) / 1e9
    return Usage(cpu, *_user_and_system(pid), _waited(pid))


def peak_memory(pid: int) -> int:
    """The most memory the process ever had resident, in bytes; 0 once it has ended."""
    return _memory(pid, "VmHWM:")


def resident_memory(pid: int) -> int:
    """The memory the process has resident now, in bytes; 0 once it has ended."""
    return _memory(pid, "VmRSS:")


def _memory(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0


def _cpu_clock(pid: int) -> int:
    """The clock of another process's CPU time.

    `/proc/PID/stat` is too coarse, and `/proc/PID/schedstat` is brought up to
    date only now and then while the process runs.
    """
    clock = ctypes.c_int()
    error = _libc.clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise ProcessLookupError(error, os.strerror(error))
    return clock.value


def _user_and_system(pid: int) -> tuple[float, float]:
    # The name in parentheses may contain anything, so count from its end.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def _waited(pid: int) -> float:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((t / "schedstat").read_text().split()[1]) for t in threads) / 1e9
