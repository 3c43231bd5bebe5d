"""Turning the monitor on: by a call, or by ``GIAMBIO_MONITOR`` for a program as it is."""

from __future__ import annotations

import atexit
import os
import signal as signals
import socket
import threading
import warnings
from contextlib import suppress
from typing import Any

from giambio._build.selection import in_main_interpreter
from giambio.inspect.standstill import standing_still
from giambio.inspect.task_tree import lines_of, tree_of
from giambio.monitor.server import Monitor
from giambio.runtime.loop import running_loops

__all__ = ["from_environment", "start_for_client", "start_monitor", "stop_monitor"]

#: The variable that names the signal at which the tree is printed; "none" for none.
SIGNAL = "GIAMBIO_MONITOR_SIGNAL"

#: The descriptor of standard error; Python's object for it may be in use just now.
STDERR = 2

#: The monitor of this process.
_monitor: Monitor | None = None
_lock = threading.Lock()


def start_monitor(*, signal: int | None = None) -> None:
    """Let other processes of this user look into this one, by ``python -m giambio ps`` and others.

    A thread listens on a Unix socket in a directory that only this user can enter, and answers
    a few fixed questions to this user and to root. It costs the loops nothing while nobody
    asks, and does not keep a `DeadlockError` from being raised. A forked child gets its own.
    With ``GIAMBIO_MONITOR=1`` in the environment it is on from the start, and `SIGUSR1` prints
    the task tree.

    Parameters:
        signal: a signal, such as `signal.SIGUSR1`, at which the tree of all tasks is written to
            standard error. By default none.

    Raises:
        OSError: there can be no socket; `PermissionError` if others could be at its place.
        RuntimeError: this is a subinterpreter, or the system has no such sockets; or there is a
            signal, and this is not the main thread.
        TypeError, ValueError: `signal` is no signal.

    Harmless if it is on. Not a checkpoint.

    Example:
        >>> import giambio
        >>> giambio.start_monitor()  # doctest: +SKIP
    """
    global _monitor
    if not hasattr(socket, "SO_PEERCRED"):
        raise RuntimeError("giambio's monitor needs Linux: it asks the system who its clients are")
    if not in_main_interpreter():
        raise RuntimeError("giambio's monitor works in the main interpreter only")
    if signal is not None:
        print_tree_at(signal)
    with _lock:
        if _monitor is None:
            monitor = Monitor()
            monitor.start()
            _monitor = monitor
        _monitor.may_leave = None


def start_for_client() -> str:
    """Turn the monitor on for a client that has found its `way_in`; it ends with the last one.

    Returns:
        The directory of its socket.

    Raises:
        OSError: there can be no socket.
    """
    global _monitor
    with _lock:
        if _monitor is None:
            monitor = Monitor(may_leave)
            monitor.start()
            _monitor = monitor
        _monitor.expect_client()
        return str(_monitor.path.parent)


def may_leave(monitor: Monitor) -> bool:
    """Whether a monitor that was turned on for a client ends; then it is not ours any more."""
    global _monitor
    with _lock:
        if _monitor is not monitor or monitor.may_leave is None or not monitor.is_left():
            return False
        monitor.remove_path()  # before another one can have it
        _monitor = None
        return True


def stop_monitor() -> None:
    """Turn the monitor off; harmless if it is."""
    global _monitor
    with _lock:
        monitor, _monitor = _monitor, None
        if monitor is not None:
            monitor.remove_path()  # before another one can have it
    if monitor is not None:
        monitor.stop()


def from_environment() -> None:
    """Turn the monitor on because ``GIAMBIO_MONITOR`` asks for it.

    The program does not depend on it, so it runs without one if there can be none.
    """
    if not in_main_interpreter():
        return
    try:
        start_monitor(signal=signal_wanted())
    except (OSError, RuntimeError, ValueError) as exc:
        warnings.warn(f"GIAMBIO_MONITOR: {exc}", RuntimeWarning, stacklevel=2)


def signal_wanted() -> int | None:
    """Return the signal that the environment names, SIGUSR1 by default, if nobody handles it.

    Raises:
        ValueError: there is no such signal.
    """
    name = os.environ.get(SIGNAL, "SIGUSR1").upper()
    if name == "NONE":
        return None
    number = getattr(signals, name if name.startswith("SIG") else f"SIG{name}", None)
    if not isinstance(number, signals.Signals):
        raise ValueError(f"{SIGNAL} is {name!r}, which is no signal; write SIGUSR2, or none")
    free = signals.getsignal(number) is signals.SIG_DFL
    in_main_thread = threading.current_thread() is threading.main_thread()
    return number if free and in_main_thread else None


class TreePrinter:
    """A signal's handler that writes the tree of all tasks to standard error."""

    #: It wakes no task, so a deadlock is one all the same: see `program_handles_signals`.
    wakes_no_task = True

    def __call__(self, number: int, frame: object) -> None:
        """See `signal.signal`. It may come between any two lines, also of those that print."""
        text = "".join(f"{line}\n" for line in self.lines()).encode(errors="replace")
        with suppress(OSError):  # the program must not end because nobody reads it
            while text:
                text = text[os.write(STDERR, text) :]

    def lines(self) -> Any:
        """Yield the tree of each loop."""
        loops = running_loops()
        yield f"giambio: {len(loops) or 'no'} running loop{'' if len(loops) == 1 else 's'}:"
        with standing_still(loops):
            trees = [tree_of(loop) for loop in loops]
        for tree in trees:
            yield from lines_of(tree)


def print_tree_at(number: int) -> None:
    """Install `TreePrinter`.

    Raises:
        RuntimeError: this is not the main thread.
        TypeError, ValueError: it is no signal.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start_monitor(signal=) works in the main thread only")
    try:
        # A bound method, since those of the program's own are told apart by what they belong to.
        signals.signal(number, TreePrinter().__call__)
    except OSError as exc:
        raise ValueError(f"start_monitor(): {number!r} cannot be handled: {exc.strerror}") from exc


def _in_child() -> None:
    """Replace the parent's monitor, in a forked child."""
    global _lock, _monitor
    _lock = threading.Lock()
    if _monitor is None:
        return
    _monitor.forked()
    for_client = _monitor.may_leave is not None
    _monitor = None
    if for_client:
        return
    try:
        start_monitor()
    except (OSError, RuntimeError) as exc:
        warnings.warn(f"no monitor in a forked child: {exc}", RuntimeWarning, stacklevel=2)


atexit.register(stop_monitor)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
