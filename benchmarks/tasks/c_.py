"""What a runtime has to do at least, in C: a lower bound for the rows that it has functions for."""

from __future__ import annotations

import sysconfig
import tempfile
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

from harness.native import compile_program
from tasks._work import BLOCK, FAR_AWAY, delays

DESCRIPTION = "C, called from Python"


def _load() -> Any:
    """Compile `native/tasks.c` for this Python, and import it."""
    include = f"-I{sysconfig.get_path('include')}"
    # Slots and methods have parameters that not every one of them needs.
    flags = ["-shared", "-fPIC", include, "-Wno-missing-field-initializers"]
    with tempfile.TemporaryDirectory(prefix="native-tasks-") as folder:
        path = Path(folder, "native_tasks.so")
        compile_program("tasks", path, flags)
        loader = ExtensionFileLoader("native_tasks", str(path))
        spec = spec_from_loader("native_tasks", loader)
        assert spec is not None
        module = module_from_spec(spec)
        loader.exec_module(module)
    return module


native = _load()


def run(function: Callable[..., None], *args: object) -> None:
    function(*args)


async def child() -> int:
    return 1


def spawn(n: int) -> None:
    native.spawn(child, n, 1)


def spawn_block(n: int) -> None:
    native.spawn(child, n, BLOCK)


async def nap(delay: float) -> None:
    await native.once(delay)


def sleepers(n: int) -> None:
    native.sleepers(nap, delays(n))


def timeout(n: int) -> None:
    native.timeout(FAR_AWAY, n)
