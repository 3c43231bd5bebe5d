"""`run_workers`: a service on all cores, which is replaced without a pause."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, TypeAlias

from giambio.arguments import check_int, check_seconds
from giambio.net.hosts import check_reuse_port
from giambio.runtime.loop import run
from giambio.workers.bind_address import check_address
from giambio.workers.parent import Follow, Parent
from giambio.workers.worker import INTERFACES
from giambio.workers.worker_process import Settings

__all__ = ["run_workers"]

Interface: TypeAlias = Literal["auto", "main", "asgi"]

WHAT = "run_workers()"


def run_workers(
    target: str,
    *,
    listeners: Iterable[str] = (),
    workers: int | None = None,
    grace: float = 10.0,
    reuse_port: bool = False,
    heartbeat: float = 30.0,
    ready_timeout: float = 60.0,
    interface: Interface = "auto",
    reload: bool = False,
) -> None:
    """Serve in several processes, which share their listeners, until SIGTERM or Ctrl-C.

    Parameters:
        target: what each worker runs, as ``"module:name"``: an async function without parameters,
            which serves `inherited_listeners`; or an ASGI application, which uvicorn serves.
        listeners: where to listen, such as ``"tcp://127.0.0.1:8080"`` or ``"unix:///run/app.sock"``;
            by default the sockets that systemd hands over, if it does.
        workers: how many processes; by default one for each CPU that this process may use.
        grace: how many seconds a worker has when it is told to stop. Then what it runs is
            cancelled, and two seconds later it is killed.
        reuse_port: True gives each worker a listener of its own (``SO_REUSEPORT``), for TCP. The
            system spreads connections better then, but those that wait in the queue of a worker
            that ends, also at a reload, are lost.
        heartbeat: after how many seconds without a turn of its loop a worker is killed and
            replaced; `math.inf` for never.
        ready_timeout: how many seconds a worker has until it is ready.
        interface: ``"main"`` or ``"asgi"``, where it cannot be seen which of the two `target` is.
        reload: True reloads when a source file of Python changes in the working directory, at any
            depth, as SIGHUP does; for development. It needs watchfiles: ``pip install
            'giambio[reload]'``.

    This process listens, starts the workers, and waits until they are ready: until they wait for
    connections. One that ends is replaced, with pauses that grow, as by a `Supervisor`.

    - **SIGHUP** reloads: new workers are started, and when all of them are ready, the old ones are
      told to end. If they are not, the old ones go on, and the reason is logged.
    - **SIGTERM** and **SIGINT** stop: the workers get SIGTERM, and this returns when they have
      ended. A second one kills them.

    It logs on the logger ``giambio.workers``.

    Raises:
        TypeError, ValueError: a parameter is of the wrong type or out of range.
        OSError: it cannot listen there, for instance because the port is taken.
        BrokenWorkerProcess: a worker was not ready, at the start. What it says is on stderr.
        RestartLimitExceeded: workers have ended too often: three times each within 5 seconds.
        RuntimeError: this is not the main thread, or a loop runs in it.
        ModuleNotFoundError: watchfiles is not installed, for `reload`.
        NotImplementedError: this is no POSIX system.

    Example:
        >>> import giambio
        >>> giambio.run_workers("app:main", listeners=["tcp://127.0.0.1:8080"], workers=0)
        Traceback (most recent call last):
        ValueError: run_workers() needs a number of processes from 1 up for workers, not 0
    """
    if os.name != "posix":
        raise NotImplementedError(f"{WHAT} needs a POSIX system for now")
    check_target(target)
    if isinstance(listeners, str) or not isinstance(listeners, Iterable):
        raise TypeError(f"{WHAT} needs a list of listeners, not {listeners!r}")
    addresses = list(listeners)
    for address in addresses:
        check_address(address)
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    check_int(WHAT, "workers", workers, 1, "number of processes")
    check_seconds(WHAT, "grace", grace)
    check_reuse_port(WHAT, reuse_port)
    for name, seconds in (("heartbeat", heartbeat), ("ready_timeout", ready_timeout)):
        check_seconds(WHAT, name, seconds)
        if not seconds:
            raise ValueError(f"{WHAT} needs a number of seconds above 0 for {name}, not 0")
    if interface not in ("auto", *INTERFACES):
        raise ValueError(f'{WHAT} needs "auto", "main" or "asgi" for interface, not {interface!r}')
    settings = Settings(target, interface, [], [], grace, heartbeat, ready_timeout)
    follow = follow_source_changes() if reload else None
    run(Parent(settings, addresses, workers, reuse_port, follow).serve)


def follow_source_changes() -> Follow:
    """Return what tells of changed source files.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    try:
        from giambio.workers.source_changes import follow
    except ModuleNotFoundError as exc:
        if exc.name in ("watchfiles", "anyio"):
            exc.msg = (
                "to reload at a change needs watchfiles, which is not installed: "
                "python -m pip install 'giambio[reload]'"
            )
        raise
    return follow


def check_target(target: object) -> None:
    """Raise unless it could be ``"module:name"``.

    Raises:
        TypeError, ValueError: it could not.
    """
    advice = 'write "module:name", such as "app:main"'
    if not isinstance(target, str):
        raise TypeError(
            f"{WHAT} needs the name of what workers import, not {target!r}, because they are new "
            f"processes; {advice}"
        )
    module, _, name = target.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise ValueError(f"{WHAT} cannot import {target!r}: {advice}")
