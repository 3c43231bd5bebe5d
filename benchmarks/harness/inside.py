"""Runs one function of a program in a fresh process, and prints what it took.

usage: python -m harness.inside MODULE FUNCTION SECONDS COUNT [WARMUP]
       python -m harness.inside MODULE FUNCTION memory|crowd COUNT

It does COUNT operations, after WARMUP that do not count, or, if COUNT is 0, as many as
take about SECONDS. With `memory` it prints by how much the process grew while COUNT
tasks were parked; with `crowd` also for how long at most another task had no turn. It
prints one line of JSON.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from harness.usage import peak_memory, resident_memory, usage

STEP = 500
"""The programs do multiples of this number of operations."""

GROWTH = 4
ENOUGH = 1 / 8
"""A trial this long, as a part of the time wanted, tells how long an operation takes."""


def speed(
    program: Any, function: Callable[..., Any], seconds: float, count: int, warmup: int = 0
) -> dict[str, Any]:
    if warmup:
        program.run(function, warmup)
    operations = count or _calibrate(program, function, seconds)
    before, began = usage(os.getpid()), time.perf_counter()
    program.run(function, operations)
    elapsed, spent = time.perf_counter() - began, usage(os.getpid()).since(before)
    return {
        "operations": operations,
        "seconds": elapsed,
        "cpu": spent.cpu,
        "user": spent.cpu * spent.user_share,
        "waited": spent.waited,
    }


def _calibrate(program: Any, function: Callable[..., Any], seconds: float) -> int:
    """How many operations take about `seconds`; it also warms everything up."""
    operations = STEP
    program.run(function, operations)  # the first time takes longer, for imports for example
    while True:
        began = time.perf_counter()
        program.run(function, operations)
        elapsed = time.perf_counter() - began
        if elapsed >= seconds * ENOUGH:
            return max(1, round(operations * seconds / elapsed / STEP)) * STEP
        operations *= GROWTH


def memory(
    program: Any, function: Callable[..., Any], count: int, *more: Callable[[], None]
) -> dict[str, Any]:
    grown = 0
    before = resident_memory(os.getpid())

    def parked() -> None:
        nonlocal grown
        grown = resident_memory(os.getpid()) - before

    program.run(function, count, parked, *more)
    return {"operations": count, "grown": grown}


def crowd(program: Any, function: Callable[..., Any], count: int) -> dict[str, Any]:
    last, pause = math.inf, 0.0

    def turn() -> None:
        nonlocal last, pause
        now = time.process_time()  # what another program takes is no pause of the loop's
        pause = max(pause, now - last)
        last = now

    return memory(program, function, count, turn) | {"pause": pause}


def main() -> None:
    module, name, what, *counts = sys.argv[1:]
    program = import_module(module)
    function = getattr(program, name)
    numbers = map(int, counts)
    if what == "memory":
        found = memory(program, function, *numbers)
    elif what == "crowd":
        found = crowd(program, function, *numbers)
    else:
        found = speed(program, function, float(what), *numbers)
    found |= {"description": program.DESCRIPTION, "peak_memory": peak_memory(os.getpid())}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
