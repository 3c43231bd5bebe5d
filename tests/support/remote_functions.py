"""Functions for the workers of a cluster, which import this module."""

from __future__ import annotations

import os
import signal
import sys
import time
import types
from contextvars import ContextVar
from pathlib import Path

import giambio

tenant: ContextVar[str] = ContextVar("tenant of the calls", default="nobody")


def note(folder: str, text: str) -> None:
    """Note that something has happened, where all can see it."""
    with open(Path(folder) / "notes", "a") as file:
        file.write(text + "\n")


def notes(folder: object) -> list[str]:
    """What was noted."""
    path = Path(str(folder)) / "notes"
    return path.read_text().splitlines() if path.exists() else []


def double(number: int) -> int:
    return number * 2


async def double_async(number: int) -> int:
    await giambio.sleep(0.001)
    return number * 2


def tenant_of(number: int) -> str:
    return tenant.get()


async def tenant_of_async(number: int) -> str:
    await giambio.checkpoint()
    return tenant.get()


def where() -> int:
    return os.getpid()


class Odd(Exception):
    """An exception that cannot be made again from its arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail(kind: str) -> None:
    if kind == "odd":
        raise Odd(1, 2)
    if kind == "exit":
        raise SystemExit(3)
    raise ValueError(kind)


async def fail_async(message: str) -> None:
    raise ValueError(message)


async def fail_at_the_end(folder: str, message: str) -> None:
    note(folder, "begins")
    try:
        await giambio.sleep_forever()
    finally:
        raise ValueError(message)


def fail_elsewhere() -> None:
    """Raise what exists on the worker only."""
    module = sys.modules["only_there"] = types.ModuleType("only_there")
    error = type("Elsewhere", (Exception,), {"__module__": "only_there"})
    module.Elsewhere = error  # type: ignore[attr-defined]
    raise error("from afar")


def unsendable() -> object:
    return (number for number in range(3))


def spin(folder: str, name: str, seconds: float = 60) -> str:
    """Run for a while, in Python's own instructions."""
    note(folder, f"{name} begins")
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)
    finally:
        note(folder, f"{name} cleans up")
    return name


async def wait_for_file(folder: str, name: str) -> None:
    """Wait, also when cancelled, until there is a file."""
    note(folder, "begins")
    with giambio.CancelScope(shield=True):
        while not (Path(folder) / name).exists():
            await giambio.sleep(0.02)
    note(folder, "cleans up")


async def nap_async(folder: str, name: str, seconds: float = 60) -> str:
    note(folder, f"{name} begins")
    try:
        await giambio.sleep(seconds)
    finally:
        with giambio.CancelScope(shield=True):
            await giambio.sleep(0.05)
        note(folder, f"{name} cleans up")
    return name


def kill_worker(folder: str, times: int = 99) -> str:
    """End the worker, so many times."""
    note(folder, "begins")
    if len(notes(folder)) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"
