"""The commands that look into a live program: ``ps``, ``pstree``, ``stacks``, and so on."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

from giambio.monitor import text
from giambio.monitor.client import Connection, LookError, find, programs
from giambio.monitor.top import top
from giambio.monitor.trace import trace

__all__ = ["add_parsers"]

WHO = "the number of a process, or a part of its command line that no other one has"

PS = ("ID", "NAME", "STATE", ">FOR", "WHERE", "WAITS FOR")


def add_parsers(commands: Any) -> None:
    """Add the commands to the command line's parser.

    Parameters:
        commands: the result of `ArgumentParser.add_subparsers`.
    """
    add(commands, ps, "list the tasks of a running program", one_may_do=True)
    add(commands, pstree, "draw the tree of its tasks")
    add(commands, stacks, "print where in the code each task is, from the outside in")
    add(commands, metrics, "print its counters, in Prometheus's text format")
    live = add(commands, watch, "show what keeps it busy, live; q quits", name="top")
    live.add_argument(
        "--interval", type=seconds, default=1.0, help="seconds between two looks (default: 1)"
    )
    live.add_argument(
        "--count", type=int, default=None, metavar="N", help="how many looks (default: no end)"
    )
    add_trace_parser(commands)


def add_trace_parser(commands: Any) -> None:
    """Add the command that writes a file."""
    parser = add(commands, write_trace, "write what it does into a file for Perfetto", name="trace")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="where to write; it is replaced"
    )
    parser.add_argument(
        "--seconds", type=seconds, default=5.0, help="how long to record (default: 5)"
    )


def add(
    commands: Any,
    function: Callable[[argparse.Namespace], None],
    help: str,
    one_may_do: bool = False,
    name: str | None = None,
) -> Any:
    """Add one command."""
    parser = commands.add_parser(
        name or function.__name__,
        help=help,
        description=f"{help[0].upper()}{help[1:]}. The program needs a monitor: GIAMBIO_MONITOR=1 "
        "in its environment, or a call of giambio.start_monitor(); from Python 3.14 on it is "
        "entered without, by its number, where the system lets debuggers in.",
    )
    words = f"{WHO}; without it, the programs that can be looked into are listed"
    if one_may_do:
        parser.add_argument("program", nargs="?", metavar="PID", help=words)
    else:
        parser.add_argument("program", metavar="PID", help=WHO)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=lambda options: run(function, options))
    return parser


def run(function: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Run a command, and say why it could not be."""
    # A name may hold what the terminal's encoding has not, and so may the lines of a tree.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        function(options)
    except LookError as exc:
        print(f"giambio: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def seconds(word: str) -> float:
    """Parse an interval."""
    try:
        number = float(word)
    except ValueError:
        number = 0.0
    if not 0.05 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of seconds from 0.05 to 3600")
    return number


def asked(options: argparse.Namespace, command: str) -> Any:
    """Ask the program that the options name; print the answer at once if that is to be JSON.

    Returns:
        The answer; nothing to be printed any more if it is empty.
    """
    with Connection(find(options.program)) as connection:
        found = connection.ask(command)
    if options.json:
        print(json.dumps(found, indent=2))
        return []
    return found


def for_terminal() -> tuple[int | None, bool]:
    """Return how wide a line may be, and whether it may have colours; on paper as wide as it is."""
    if not sys.stdout.isatty():
        return None, False
    return shutil.get_terminal_size().columns, "NO_COLOR" not in os.environ


def print_loops(loops: list[Any], lines_of: Callable[[Any], list[str]]) -> None:
    """Print something of each loop, and which loop it is if there are several."""
    for number, loop in enumerate(loops):
        if len(loops) > 1:
            print(f"loop {number}:")
        print("\n".join(lines_of(loop)))


def ps(options: argparse.Namespace) -> None:
    """List the tasks of a program, or the programs; no line is cut, for its end matters most."""
    _, colour = for_terminal()
    if options.program is None:
        list_programs(options.json)
        return

    def lines(rows: list[dict[str, Any]]) -> list[str]:
        cells = [
            (
                str(row["id"]),
                row["name"],
                row["state"],
                text.clock(row["seconds"]),
                text.place(row["place"]),
                text.waits(row),
            )
            for row in rows
        ]
        return text.table(PS, cells, None, colour)

    print_loops(asked(options, "tasks"), lines)


def list_programs(as_json: bool) -> None:
    """List the programs of this user that can be looked into."""
    found = programs()
    if as_json:
        print(json.dumps([one._asdict() for one in found], indent=2))
    elif found:
        width, colour = for_terminal()
        cells = [(str(one.pid), text.clock(one.uptime), one.command) for one in found]
        print("\n".join(text.table((">PID", ">UP", "COMMAND"), cells, width, colour)))
    else:
        print("no program of this user has a monitor; start one with GIAMBIO_MONITOR=1")


def pstree(options: argparse.Namespace) -> None:
    """Draw the tree of a program's tasks."""
    print_loops(asked(options, "tasks"), text.tree_lines)


def stacks(options: argparse.Namespace) -> None:
    """Print the await stack of every task."""

    def lines(rows: list[dict[str, Any]]) -> list[str]:
        return [line for row in rows for line in text.stack_lines(row)]

    print_loops(asked(options, "tasks"), lines)


def metrics(options: argparse.Namespace) -> None:
    """Print the counters of a program."""
    found = asked(options, "metrics")
    if found:
        print(text.prometheus(found), end="")


def watch(options: argparse.Namespace) -> None:
    """Show what keeps a program busy."""
    pid = find(options.program)
    with Connection(pid) as connection:
        top(connection, pid, options.interval, options.count, options.json)


def write_trace(options: argparse.Namespace) -> None:
    """Write a trace of a program."""
    events = trace(find(options.program), options.output, options.seconds)
    if options.json:
        print(json.dumps({"events": events, "file": options.output}))
    else:
        print(f"{options.output}: {events} events; open it in https://ui.perfetto.dev")
