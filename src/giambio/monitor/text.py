"""How the commands write things down: tables, times, the tree, and Prometheus's format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from giambio.inspect import task_tree
from giambio.inspect.series import SERIES

__all__ = [
    "ONE_LINE",
    "clock",
    "paint",
    "place",
    "prometheus",
    "stack_lines",
    "table",
    "tree_lines",
    "waits",
]

#: What a table's cell may not hold: a task's name or a lock's may have a line feed, or what a
#: terminal obeys.
ONE_LINE = str.maketrans(dict.fromkeys((*range(32), *range(127, 160)), " "))

#: Those of a task's states that one looks for.
COLOURS = {"running": "\x1b[32m", "ready": "\x1b[33m"}
BOLD = "\x1b[1m"
PLAIN = "\x1b[0m"


def paint(text: str, colour: str, wanted: bool) -> str:
    """Return a text in a colour, if colours are wanted."""
    return f"{colour}{text}{PLAIN}" if wanted and colour else text


def clock(seconds: float) -> str:
    """Write a time in seven characters or fewer.

    Example:
        >>> clock(0.0123), clock(75), clock(7300), clock(200000)
        ('12.3ms', '1m15s', '2h01m', '2d07h')
    """
    if seconds < 1:
        return f"{seconds * 1000:.1f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    for unit, smaller, size, part in (("m", "s", 60, 1), ("h", "m", 3600, 60)):
        if seconds < size * (60 if unit == "m" else 24):
            return f"{int(seconds // size)}{unit}{int(seconds % size // part):02d}{smaller}"
    return f"{int(seconds // 86400)}d{int(seconds % 86400 // 3600):02d}h"


def place(found: Sequence[Any] | None) -> str:
    """Write where in the user's code a task is."""
    if found is None:
        return "-"
    file, line, function = found
    return task_tree.place(file.rpartition("/")[2], line, function)


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], width: int | None, colour: bool = False
) -> list[str]:
    """Return the lines of a table, the columns aligned.

    Parameters:
        head: the columns' names; those that begin with ``>`` stand at the right.
        rows: the cells.
        width: the most characters of a line, and the second column may take a quarter of them;
            None for as many as there are.
        colour: whether to set the head, and the states of tasks, apart.
    """
    names = [name.lstrip(">") for name in head]
    cells = [[cell.translate(ONE_LINE) for cell in row] for row in rows]
    if width is not None:
        for row in cells:
            row[1] = shortened(row[1], width // 4)
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    lines = []
    for number, row in enumerate([names, *cells]):
        aligned = [
            cell.rjust(size) if name.startswith(">") else cell.ljust(size)
            for name, cell, size in zip(head, row, widths, strict=True)
        ]
        line = "  ".join(aligned).rstrip()
        if width is not None and len(line) > width:
            line = line[: width - 1] + "…"
        if number == 0:
            line = paint(line, BOLD, colour)
        elif colour:
            for state, code in COLOURS.items():
                if state in row:
                    line = line.replace(f" {state} ", f" {paint(state, code, True)} ", 1)
        lines.append(line)
    return lines


def shortened(name: str, size: int) -> str:
    """Leave out the beginning of a long name; of a function's, that is the package."""
    return name if len(name) <= size else f"…{name[1 - size :]}"


def waits(row: dict[str, Any]) -> str:
    """Write what a task waits for, in a table: that its classes are giambio's need not be said."""
    what: str = row["waits_for"]
    return what.replace("<giambio.", "<") or "-"


def tree_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Draw the tasks of a loop, which are given parents first, as a tree."""
    lines: list[str] = []
    # Whether a sibling follows, for the ancestors of the next task that is drawn; from the end.
    follows: list[bool] = []
    for row in reversed(rows):
        depth = row["depth"]
        del follows[depth + 1 :]
        follows.extend([False] * (depth + 1 - len(follows)))
        bars = "".join("│   " if more else "    " for more in follows[1:depth])
        branch = "" if depth == 0 else "├── " if follows[depth] else "└── "
        lines.append(f"{bars}{branch}{doing(row)}")
        follows[depth] = True
    return lines[::-1]


def doing(row: dict[str, Any]) -> str:
    """Write who a task is and what it does."""
    said = task_tree.doing(row["name"], row["id"], row["state"], row["waits_for"])
    return said.translate(ONE_LINE)


def stack_lines(row: dict[str, Any]) -> list[str]:
    """Write a task and its await stack, the innermost frame last."""
    first = f"{doing(row)}, for {clock(row['seconds'])}"
    return [first, *(f"    {task_tree.place(*one)}" for one in row["frames"])]


def prometheus(found: dict[str, Any]) -> str:
    """Write the counters of a process in Prometheus's text format."""
    lines = []
    for series in SERIES:
        name, kind = f"giambio_{series.name}", "counter" if series.is_counter else "gauge"
        lines += [f"# HELP {name} {series.help}", f"# TYPE {name} {kind}"]
        for number, loop in enumerate(found["loops"]):
            lines.append(f'{name}{{loop="{number}"}} {loop[series.field]}')
    lines += [
        "# HELP process_open_fds Number of open file descriptors.",
        "# TYPE process_open_fds gauge",
        f"process_open_fds {found['descriptors']}",
    ]
    return "".join(f"{line}\n" for line in lines)
