"""`python -m giambio serve`: `run_workers` for the command line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any

from giambio.errors import BrokenWorkerProcess, RestartLimitExceeded

__all__ = ["add_parser", "serve"]

DEFAULT = "tcp://127.0.0.1:8000"


def add_parser(commands: Any) -> None:
    """Add the command to a command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve",
        help="serve an ASGI application, or listeners, in several processes",
        description=(
            "Serve in several processes that share their listeners. SIGHUP replaces them by new "
            "ones without a pause, SIGTERM and Ctrl-C stop them."
        ),
    )
    parser.add_argument(
        "target",
        metavar="MODULE:NAME",
        help="an ASGI application, or an async function that serves inherited_listeners()",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one per CPU)")
    parser.add_argument(
        "--bind",
        action="append",
        metavar="ADDRESS",
        help="tcp://HOST:PORT or unix:///PATH; may be repeated (default: what systemd hands over, "
        f"or {DEFAULT})",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long a worker has to end (default: %(default)s)",
    )
    parser.add_argument(
        "--reuse-port", action="store_true", help="a listener for each worker (SO_REUSEPORT)"
    )
    parser.add_argument(
        "--interface",
        choices=["auto", "main", "asgi"],
        default="auto",
        help="what MODULE:NAME is, if that cannot be seen",
    )
    parser.add_argument(
        "--reload",
        action="store_true",
        help="reload when a source file changes in this folder, for development",
    )
    parser.set_defaults(run=serve)


def serve(options: argparse.Namespace) -> int:
    """Run the command, and return the exit code."""
    from giambio.workers.run_workers import run_workers

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    by_systemd = os.environ.get("LISTEN_PID") == str(os.getpid())
    try:
        run_workers(
            options.target,
            listeners=options.bind or ([] if by_systemd else [DEFAULT]),
            workers=options.workers,
            grace=options.grace,
            reuse_port=options.reuse_port,
            interface=options.interface,
            reload=options.reload,
        )
    except (
        OSError,
        ValueError,
        ModuleNotFoundError,
        BrokenWorkerProcess,
        RestartLimitExceeded,
    ) as exc:
        print(f"python -m giambio serve: {exc}", file=sys.stderr)
        return 1
    return 0
