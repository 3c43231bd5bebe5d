"""Small programs in which one allocation fails; run by `test_allocation_failures.py`.

``python allocation_failures.py PROGRAM`` lets the first allocation of a run fail, then, in another
process, the second, and so on until one run after another does not notice. Each run has to end
with a result or with an error that says that memory is short. What else happens is printed, one
line each: the number of the allocation, the outcome, and the innermost lines of Python.

The interpreter has defects of its own here. A crash or a hang is taken for its own if it happens
in a line of the standard library. (Compiled frames are not seen, so one of ours is blamed on the
line of giambio, or of the program, that has called it.)
"""

from __future__ import annotations

import _testcapi
import faulthandler
import gc
import os
import sys
import tempfile
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import giambio

SECONDS = 10.0
#: After so many runs in a row that succeed, no allocation is left that could fail.
ENOUGH = 60


async def empty() -> None:
    pass


async def child() -> None:
    await giambio.sleep(0)


async def spawn() -> None:
    async with giambio.TaskManager() as manager:
        for _ in range(3):
            manager.start_soon(child)
        await manager.spawn(child)


async def scope() -> None:
    with giambio.move_on_after(0.001):
        await giambio.sleep(1)
    with giambio.fail_after(5):
        await giambio.sleep(0)


async def channel() -> None:
    sender, receiver = giambio.open_channel[int](0)
    with sender, receiver:
        async with giambio.TaskManager() as manager:
            manager.start_soon(sender.send, 1)
            await receiver.receive()
    queue: giambio.Queue[int] = giambio.Queue(1)
    await queue.put(1)
    await queue.get()


async def socket() -> None:
    one, other = giambio.socketpair()
    with one, other:
        await one.send_all(b"x" * 1000)
        await other.receive(100)


async def thread() -> None:
    await giambio.to_thread(int)


async def file() -> None:
    async with await giambio.open_file(__file__) as opened:
        await opened.read()


PROGRAMS: dict[str, Callable[[], Awaitable[None]]] = {
    each.__name__: each for each in (empty, spawn, scope, channel, socket, thread, file)
}


def is_misleading(exc: BaseException) -> bool:
    """Return whether an error blames the program for what the lack of memory did.

    giambio raises `RuntimeError` for misuse. The interpreter itself has many ways to say that
    memory is short, which differ from version to version: Python 3.11's `frame.f_back` is None,
    with the exception set, and then storing an attribute is an `AttributeError`.
    """
    if isinstance(exc, BaseExceptionGroup):
        return any(map(is_misleading, exc.exceptions))
    return isinstance(exc, RuntimeError) and not str(exc).startswith("can't ")  # ... start thread


def attempt(program: Callable[[], Any], number: int) -> int:
    # Once undisturbed, so that a worker thread is there: `threading.Thread.start` waits for ever
    # for a thread that did not get the memory to begin.
    giambio.run(program)
    _testcapi.set_nomemory(number, number + 1)
    try:
        giambio.run(program)
        return 0
    except BaseException as exc:
        _testcapi.remove_mem_hooks()
        if not is_misleading(exc):
            return 1
        faulthandler.dump_traceback()
        print(repr(exc), file=sys.stderr)
        return 2


def run(program: Callable[[], Any], number: int) -> tuple[int, str]:
    """Run a program in a process of its own.

    Returns:
        How it ended, as `attempt` returns it or below zero, and what was printed.
    """
    with tempfile.TemporaryFile("w+") as output:
        pid = os.fork()
        if not pid:
            os.dup2(output.fileno(), 2)
            faulthandler.enable()
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            os._exit(attempt(program, number))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        output.seek(0)
        text = output.read()
    return (-1 if "Timeout (" in text else status), text


def is_ours(text: str) -> bool:
    """Return whether the innermost line of the main thread is giambio's or the program's."""
    *_, main_thread = text.split("hread 0x")  # it comes last
    lines = [line for line in main_thread.splitlines() if line.startswith("  File ")]
    return not lines or "giambio" in lines[0] or __file__ in lines[0]


def main() -> None:
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    program = PROGRAMS[sys.argv[1]]
    for _ in range(3):
        giambio.run(program)
    gc.collect()
    gc.freeze()
    number = unnoticed = 0
    while unnoticed < ENOUGH:
        status, text = run(program, number)
        unnoticed = unnoticed + 1 if status == 0 else 0
        if status not in (0, 1) and is_ours(text):
            print(number, status, text)
        number += 1
    print(f"done: {number} runs")


if __name__ == "__main__":
    main()
