"""``top``: what keeps a program busy, live on a terminal, or as text one look after another."""

from __future__ import annotations

import json
import shutil
import sys
import time
from contextlib import nullcontext
from typing import Any

from giambio.monitor import text
from giambio.monitor.client import Connection, program

__all__ = ["top"]

COLUMNS = (">ID", "NAME", ">BUSY", ">LONGEST", "STATE", "WHERE", "WAITS FOR")

#: How many tasks, and things they wait for, are shown where there is no screen to fill.
ROWS = 20
WAITS = 5


def top(
    connection: Connection, pid: int, interval: float, count: int | None, as_json: bool
) -> None:
    """Show what keeps a program busy, until q is pressed.

    Parameters:
        connection: the connection to its monitor.
        pid: its number.
        interval: seconds from one look to the next.
        count: after how many looks to end; None for no end.
        as_json: whether to print each look as a line of JSON.

    Raises:
        LookError: it has ended.
    """
    live = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    before = connection.ask("top")
    since = time.monotonic()
    with screen_to_fill() if live else nullcontext() as screen:
        while count is None or count > 0:
            if screen is None:
                time.sleep(interval)
            elif screen.quits(interval):
                break
            found = connection.ask("top")
            now = time.monotonic()
            if as_json:
                print(json.dumps(found | {"seconds": now - since}), flush=True)
            elif screen is not None:
                screen.show(lines_of(before, found, now - since, pid, True))
            else:
                print("\n".join(lines_of(before, found, now - since, pid, False)), end="\n\n")
                sys.stdout.flush()
            before, since = found, now
            count = None if count is None else count - 1


def screen_to_fill() -> Any:
    """Take the terminal over, for a block."""
    from giambio.monitor.screen import Screen

    return Screen()


def lines_of(
    before: dict[str, Any], found: dict[str, Any], seconds: float, pid: int, live: bool
) -> list[str]:
    """Return what is shown of one look."""
    size = shutil.get_terminal_size()
    width = size.columns if live else None
    about = program(pid)
    lines = [
        f"giambio top - {pid} {about.command}"[:width],
        f"up {text.clock(about.uptime)}, {found['descriptors']} descriptors"
        f"{', q quits' if live else ''}",
    ]
    for number, loop in enumerate(found["loops"]):
        earlier = before["loops"][number] if number < len(before["loops"]) else loop
        lines += ["", *loop_lines(number, earlier, loop, seconds)]
        for what, tasks in loop["waits"][:WAITS]:
            if tasks > 1:
                lines.append(f"{tasks:6} tasks wait for {what}".translate(text.ONE_LINE)[:width])
        rows = max(3, size.lines - len(lines) - 3) if live else ROWS
        cells = [
            (
                str(task["id"]),
                task["name"],
                f"{min(100.0, 100 * task['busy'] / seconds):.1f}%",
                text.clock(task["longest_step"]),
                task["state"],
                text.place(task["place"]),
                text.waits(task),
            )
            for task in loop["busiest"][:rows]
        ]
        lines += text.table(COLUMNS, cells, width, live)
    return lines


def loop_lines(
    number: int, before: dict[str, Any], loop: dict[str, Any], seconds: float
) -> list[str]:
    """Return the lines about a loop as a whole."""
    busy = max(0.0, loop["seconds_running"] - before["seconds_running"])
    steps = (loop["steps"] - before["steps"]) / seconds
    turns = (loop["turns"] - before["turns"]) / seconds
    stuck = f", {text.clock(loop['lag'])} NOW" if loop["lag"] > 0.1 else ""
    return [
        f"loop {number}: {min(100.0, 100 * busy / seconds):.0f}% busy, {steps:.0f} steps/s, "
        f"{turns:.0f} turns/s, worst lag {text.clock(loop['worst_lag'])}{stuck}",
        f"{loop['tasks']} tasks, {loop['ready']} ready, {loop['spawned']} made so far",
    ]
