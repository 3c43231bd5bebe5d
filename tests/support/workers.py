"""Functions that the tests of `to_process` call in another process: it finds them by name."""

from __future__ import annotations

import atexit
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

CALLS = 0


def count_calls() -> tuple[int, int]:
    """The process, and how often this was called in it."""
    global CALLS
    CALLS += 1
    return os.getpid(), CALLS


def leave_a_child(fifo: str) -> int:
    """Fork a child that lives until a fifo is written to; returns the process that did."""
    with open(fifo, "rb") as end:
        if os.fork() == 0:
            end.read()
            os._exit(0)
    return os.getpid()


def leave_a_child_and_die(fifo: str) -> NoReturn:
    """The same, and end without a word."""
    os.kill(leave_a_child(fifo), signal.SIGKILL)
    raise AssertionError("unreachable")


def fail(message: str) -> NoReturn:
    """Raise."""
    deeper(message)


def deeper(message: str) -> NoReturn:
    """Raise, one frame below."""
    raise ValueError(message)


class Picky(Exception):
    """An exception that can be pickled, but not be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Friendly(Exception):
    """One that survives the journey, with what belongs to it."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


def fail_with(kind: str) -> NoReturn:
    """Raise one of several kinds of exceptions."""
    if kind == "picky":
        raise Picky(1, 2)
    if kind == "friendly":
        error = Friendly(7)
        error.add_note("a note")
        raise error
    if kind == "local":

        class Local(Exception):
            pass

        raise Local("local")
    if kind == "caused":
        try:
            raise KeyError("the cause")
        except KeyError as exc:
            raise ValueError("the effect") from exc
    raise {"exit": SystemExit, "interrupt": KeyboardInterrupt}[kind](5)


def return_unpicklable() -> Any:
    """Return what cannot be sent."""
    return lambda: None


def echo(value: Any) -> Any:
    """Return what came."""
    return value


def die(how: str) -> None:
    """End this process in the middle of a call."""
    if how == "exit":
        os._exit(3)
    elif how == "hang up":
        os.closerange(3, 100)
        time.sleep(1000)
    else:
        os.kill(os.getpid(), getattr(signal, how))


def hold_the_interpreter(path: str) -> None:
    """Compute in C for ages, without letting anybody else run."""
    Path(path).write_text(str(os.getpid()))
    re.match(r"(a+)+$", "a" * 64 + "b")


def write_and_sleep(path: str, seconds: float) -> str:
    """Say who this is in a file, then sleep."""
    Path(path).write_text(str(os.getpid()))
    time.sleep(seconds)
    return "slept"


def chatter() -> str:
    """Write to everything that a function may write to, and read what it may read."""
    print("printed")
    print("an error", file=sys.stderr)
    os.write(1, b"written\n")
    return sys.stdin.read()


def touch_at_exit(path: str) -> int:
    """Have a file made when this process ends."""
    atexit.register(Path(path).touch)
    return os.getpid()


async def coroutine_function() -> int:
    """No ordinary function."""
    return 1


def loop_of_its_own(number: int) -> int:
    """Run a loop, and another process, in the process."""
    import giambio

    result: int = giambio.run(giambio.to_process, abs, number)
    return result


def interrupts() -> Any:
    """How Ctrl-C is handled here, and in a program that is started here."""
    import subprocess

    program = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    os.kill(os.getpid(), signal.SIGINT)
    return done.stdout.strip()
