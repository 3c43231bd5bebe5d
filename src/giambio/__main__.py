"""The command line, ``python -m giambio``: a prompt, servers, and a look into live programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import giambio
from giambio.kernel.constants import BUDGET
from giambio.monitor.commands import add_parsers
from giambio.workers import serve_command


def main(arguments: Sequence[str] | None = None) -> str | int | None:
    """Run the command line.

    Parameters:
        arguments: the arguments, without the program's name; by default those of the process.

    Returns:
        The exit code, or what else `sys.exit` takes.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        from giambio.repl.start import start

        return start()
    if arguments[0] == "run" and len(arguments) > 1 and arguments[1] not in ("-h", "--help"):
        from giambio.inspect.run_program import run_program

        run_program(arguments[1:])  # as they are: they are Python's and the program's
    options = parser().parse_args(arguments)
    try:
        code = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone, as in `info | head -1`; Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code  # type: ignore[no-any-return]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="python -m giambio",
        description="giambio, an asynchronous runtime for Python. Without a command: a prompt.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    info = commands.add_parser(
        "info",
        help="tell which build of giambio runs here, and why",
        description="Tell which build of giambio runs here, and why; one fact per line.",
    )
    info.set_defaults(run=print_info)
    program = commands.add_parser(
        "run",
        help="run a program with the monitor on: run FILE ARGS, or run -m MODULE ARGS",
        usage="python -m giambio run (FILE | -m MODULE) [ARGS ...]",
        description=(
            "Run a program as `python FILE ARGS` and `python -m MODULE ARGS` do, with the monitor "
            "on (GIAMBIO_MONITOR=1), so that the other commands can look into it."
        ),
    )
    program.set_defaults(run=lambda _: program.error("name one: `run app.py` or `run -m app`"))
    demo = commands.add_parser(
        "demo",
        help="scrape three servers, then hold 10000 connections in one thread",
        description=(
            "Scrape three local servers concurrently and one by one; then open many "
            "connections to an echo server that is one thread of one process, all at the "
            "same time, and compare what comes back byte for byte. Nothing leaves this "
            "machine. Exit code: 0 if every connection was served, 1 if a limit was hit, "
            "130 after Ctrl-C."
        ),
    )
    demo.add_argument(
        "--connections",
        type=positive,
        default=10_000,
        metavar="N",
        help="how many connections are open at the same time (default: %(default)s)",
    )
    demo.add_argument(
        "--driver",
        choices=drivers(),
        help=f"where readiness comes from (default: {giambio.build_info().driver})",
    )
    demo.set_defaults(run=show_demo)
    serve_command.add_parser(commands)
    add_parsers(commands)
    return top


def positive(text: str) -> int:
    """Parse a number of connections."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def drivers() -> list[str]:
    """Return the drivers that this system has, the best one first."""
    return list(dict.fromkeys([giambio.build_info().driver, "selectors"]))


def show_demo(options: argparse.Namespace) -> int:
    """Show the demo, and return the exit code."""
    # Imported here, so that `info` works even if the demo is broken.
    from giambio.demo.show import show

    return show(options.connections, options.driver)


def print_info(_: argparse.Namespace) -> int:
    """Print the facts about this installation, one per line."""
    info = giambio.build_info()
    build = f"{info.build}: {info.reason}" if info.reason else info.build
    facts = {
        "giambio": info.version,
        "build": build,
        "driver": f"{info.driver} (of {', '.join(drivers())})",
        "budget": f"{BUDGET} operations per turn of a task",
        "python": info.python,
        "platform": info.platform,
        "threads": ", ".join(info.threads) or "none of giambio's",
    }
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:{width}}  {fact}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
