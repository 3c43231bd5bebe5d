"""Functions that the tests of `to_interpreter` call there: it finds them by name."""

from __future__ import annotations

import os
import threading
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

from giambio._build.selection import in_main_interpreter

CALLS = 0
variable = ContextVar("variable", default="default")


def where() -> tuple[int, bool]:
    """The process, and whether this is its main interpreter."""
    return os.getpid(), in_main_interpreter()


def count_calls() -> tuple[int, int]:
    """The thread, and how often this was called in the interpreter."""
    global CALLS
    CALLS += 1
    return threading.get_ident(), CALLS


def echo(value: Any) -> Any:
    """Return what came."""
    return value


def meet(mine: str, other: str) -> None:
    """Say that this runs, and return when the other one does."""
    Path(mine).touch()
    while not os.path.exists(other):
        pass


def wait_for(begun: str, go_on: str) -> str:
    """Say that it has begun, and wait for a file."""
    Path(begun).touch()
    while not os.path.exists(go_on):
        time.sleep(0.001)
    return "done"


def loop_of_its_own(number: int) -> tuple[str, list[int]]:
    """Run a loop, with threads, in the interpreter."""
    import giambio

    async def main() -> list[int]:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(giambio.to_thread, abs, -number)
        return [task.result(), await giambio.to_thread(abs, number + 1)]

    return giambio.build_info().build, giambio.run(main)


def read_variable() -> str:
    """What a context variable is here."""
    return variable.get()


class Friendly(Exception):
    """One that survives the journey, with what belongs to it."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


def fail(code: int) -> NoReturn:
    """Raise."""
    deeper(code)


def deeper(code: int) -> NoReturn:
    """Raise, one frame below."""
    raise Friendly(code)


def raise_it(kind: type[BaseException]) -> NoReturn:
    """Raise an exception of a kind."""
    raise kind(5)


def return_unpicklable() -> Any:
    """Return what cannot be sent."""
    return lambda: None


async def coroutine_function() -> int:
    """No ordinary function."""
    return 1
