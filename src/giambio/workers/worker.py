"""The program of a worker: it loads what it is to serve, and serves it until it is told to stop."""

from __future__ import annotations

import importlib
import inspect
import json
import signal
from functools import partial
from operator import attrgetter
from typing import Any

from giambio.kernel.introspect import is_awaitable
from giambio.runtime.loop import run
from giambio.tasks.manager import TaskManager
from giambio.workers.handed_over import Report, from_parent, here

__all__ = ["INTERFACES", "main"]

#: What may be served, and how it is called: without arguments, or with those of ASGI.
INTERFACES: dict[str, tuple[Any, ...]] = {"main": (), "asgi": ({}, None, None)}


def main(target: str, settings: str) -> None:
    """Serve, as a worker.

    Parameters:
        target: what to serve, as ``"module:name"``.
        settings: those of the parent, as JSON.
    """
    # Ctrl-C and a hang-up of the terminal reach all its processes; the parent decides on them.
    # That is not SIG_IGN, which the programs that are started here would inherit.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: None)
    given = json.loads(settings)
    report = here.report = Report(given["report"], given["interval"])
    here.sockets = partial(from_parent, given["descriptors"], given["addresses"])
    application = load(target)
    if interface_of(target, application, given["interface"]) == "asgi":
        serve_asgi(application, report, given["grace"])
    else:
        listens = bool(given["descriptors"] or given["addresses"])
        options = {"stop_signals": [signal.SIGTERM], "grace": given["grace"]}
        run(live, target, application, report, listens, **options)


def load(target: str) -> Any:
    """Import what is to be served."""
    module, _, name = target.partition(":")
    return attrgetter(name)(importlib.import_module(module))


def interface_of(target: str, application: Any, interface: str) -> str:
    """Return how it is called: ``"main"`` or ``"asgi"``.

    Raises:
        TypeError: that cannot be told.
    """
    if interface != "auto":
        return interface
    fitting = [name for name, arguments in INTERFACES.items() if takes(application, arguments)]
    if len(fitting) != 1:
        raise TypeError(
            f"{target} should be an async function without parameters, or an ASGI application, "
            f"which takes (scope, receive, send); it is {application!r}. If it is one of them, say "
            'so: --interface main or --interface asgi (interface="main", interface="asgi")'
        )
    return fitting[0]


def takes(application: Any, arguments: tuple[Any, ...]) -> bool:
    """Return whether something could be called with these arguments."""
    try:
        inspect.signature(application).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def serve_asgi(application: Any, report: Report, grace: float) -> None:
    """Serve an ASGI application, if uvicorn is installed."""
    try:
        from giambio.workers.asgi import serve
    except ModuleNotFoundError as exc:
        if exc.name == "uvicorn":
            exc.msg = (
                "an ASGI application is served by uvicorn, which is not installed: "
                "python -m pip install 'giambio[serve]'"
            )
        raise
    serve(application, report, grace)


async def live(target: str, main: Any, report: Report, listens: bool) -> None:
    """Run `main`, and tell the parent that the loop turns."""
    async with TaskManager(strict=False) as manager:
        manager.start_soon(report.stay_alive)
        if not listens:
            report.ready()  # there is nothing else that it could be ready for
        result = main()
        if not is_awaitable(result):
            raise TypeError(
                f"{target} should be an async function, but returned {result!r}, which cannot be "
                "awaited; define it with `async def`"
            )
        await result
        manager.cancel()
