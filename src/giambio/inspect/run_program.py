"""``python -m giambio run``: Python runs a program that can be looked into.

This process becomes that Python, so the program has all that it would have without us: its own
`__main__`, `sys.argv`, `sys.path`, tracebacks and exit code. The monitor is asked for by the
environment, where processes that the program starts find it, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["run_program"]


def run_program(arguments: Sequence[str]) -> NoReturn:
    """Become Python that runs a program, with the monitor on.

    Parameters:
        arguments: those of Python: a file or ``-m`` and a module, and the program's.

    Raises:
        OSError: the system cannot start Python.
    """
    sys.stdout.flush()
    environment = {**os.environ, "GIAMBIO_MONITOR": "1"}
    command = [sys.executable, *interpreter_options(), *arguments]
    os.execve(sys.executable, command, environment)


def interpreter_options() -> list[str]:
    """Return the options that Python was given before ``-m giambio``."""
    options = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv[1:])]
    if options and options[-1] == "giambio":
        del options[-1]
        last = options.pop().removesuffix("m")  # of "-m", or of "-um"
    else:
        last = options.pop().removesuffix("mgiambio")
    return options if last == "-" else [*options, last]
