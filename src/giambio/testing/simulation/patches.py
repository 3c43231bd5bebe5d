"""What code of a host gets from the standard library: simulated sockets, clocks and chance.

The patches hold for the time of a simulation, and only for code that runs in it: another thread of
the same process gets the real thing. What a module has bound by name before, as in
``from time import time``, cannot be patched.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from random import Random
from typing import Any

from giambio.net.socket_calls import FIRST_VIRTUAL
from giambio.testing.simulation.host import current_host, here
from giambio.testing.simulation.network import Network
from giambio.testing.simulation.resolver import SimulatedResolver
from giambio.testing.simulation.sockets import RealSocket, SimulatedSocket, connected_pair

__all__ = ["patched"]

#: What the wall clock of a host without skew shows at the beginning: noon of 1 January 2026, UTC.
EPOCH = 1767268800.0
NANOSECONDS = 10**9

OTHER_PROGRAMS = "what another program does is another host's function there"
#: What would leave the simulation, and what to do instead.
ESCAPES = (
    (time, "sleep", "a task waits by `await giambio.sleep()`"),
    (threading.Thread, "start", "to_thread() and executors call functions without a thread there"),
    (subprocess.Popen, "__init__", OTHER_PROGRAMS),
    (BaseProcess, "start", OTHER_PROGRAMS),
    *([(os, "fork", OTHER_PROGRAMS)] if hasattr(os, "fork") else []),
)

#: A process has one clock and one `socket.socket`, so its simulations take turns.
one_at_a_time = threading.Lock()


@contextmanager
def patched(
    network: Network, resolver: SimulatedResolver, seed: int, now: Callable[[], float]
) -> Iterator[None]:
    """Let code of a simulation see its network, its clocks and its chance, in the block.

    Parameters:
        network: its network.
        resolver: knows its hosts.
        seed: where `random` and `os.urandom` begin.
        now: its clock.
    """
    thread = threading.get_ident()
    entropy = Random(f"entropy {seed}")

    def inside() -> bool:
        return threading.get_ident() == thread

    def on_host() -> bool:
        return inside() and current_host.get() is not None

    def wall() -> float:
        host = current_host.get()
        return EPOCH + now() + (0.0 if host is None else host.skew)

    with ExitStack() as patches:
        patches.enter_context(one_at_a_time)
        for name, clock in (("time", wall), ("monotonic", now), ("perf_counter", now)):
            replace(patches, time, name, clock, inside)
            replace(patches, time, f"{name}_ns", nanoseconds_of(clock), inside)
        for module, name in ((os, "urandom"), (random, "_urandom")):
            replace(patches, module, name, entropy.randbytes, inside)
        replace(patches, Random, "seed", seeded_from(entropy), inside)
        patches.callback(random.setstate, random.getstate())
        random.seed(seed)
        # It was bound to the generator before; without a seed it takes one of ours, too.
        generator: Any = random.seed.__self__  # type: ignore[attr-defined]
        replace(patches, random, "seed", partial(Random.seed, generator), inside)
        put(patches, socket, "socket", socket_class(network, on_host))
        replace(patches, socket, "socketpair", pair_on(network), on_host)
        replace(patches, socket, "getaddrinfo", resolver.look_up, on_host)
        replace(patches, socket, "gethostbyname", address_by(resolver), on_host)
        replace(patches, socket, "gethostname", lambda: here().name, on_host)
        if hasattr(os, "sendfile"):
            replace(patches, os, "sendfile", sendfile_on(network), on_host)
        replace(patches, ThreadPoolExecutor, "submit", run_at_once, on_host)
        for owner, name, instead in ESCAPES:
            replace(patches, owner, name, refusal(owner, name, instead), on_host)
        yield


def replace(
    patches: ExitStack,
    module: Any,
    name: str,
    simulated: Callable[..., Any],
    inside: Callable[[], bool],
) -> None:
    """Replace a function of a module, for code of the simulation."""
    real = getattr(module, name)

    def either(*args: Any, **keywords: Any) -> Any:
        return simulated(*args, **keywords) if inside() else real(*args, **keywords)

    put(patches, module, name, either)


def put(patches: ExitStack, owner: Any, name: str, value: object) -> None:
    """Set an attribute until the patches end."""
    patches.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


def nanoseconds_of(clock: Callable[[], float]) -> Callable[[], int]:
    """Return a clock that counts nanoseconds."""
    return lambda: round(clock() * NANOSECONDS)


def seeded_from(entropy: Random) -> Callable[..., None]:
    """Return a `Random.seed` that needs nothing from the system."""
    seed_it = Random.seed

    def seed(generator: Random, a: Any = None, version: int = 2) -> None:
        seed_it(generator, entropy.getrandbits(128) if a is None else a, version)

    return seed


def address_by(resolver: SimulatedResolver) -> Callable[[str], str]:
    """Return what finds the address of a host; see `socket.gethostbyname`."""

    def gethostbyname(name: str) -> str:
        (*_, (address, _)), *_ = resolver.look_up(name, None, socket.AF_INET)
        return str(address)

    return gethostbyname


def sendfile_on(network: Network) -> Callable[..., int]:
    """Return what sends a part of a file on a simulated socket; see `os.sendfile`."""
    real = os.sendfile

    def sendfile(out_fd: int, in_fd: int, offset: int, count: int) -> int:
        if out_fd < FIRST_VIRTUAL:
            return real(out_fd, in_fd, offset, count)
        return network.sockets[out_fd].send(os.pread(in_fd, count, offset))

    return sendfile


def refusal(owner: Any, name: str, instead: str) -> Callable[..., object]:
    """Return a function that raises, because it would leave the simulation."""

    def refuse(*args: object, **keywords: object) -> object:
        raise RuntimeError(f"{owner.__name__}.{name}() would leave the simulation: {instead}")

    return refuse


def run_at_once(
    executor: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **keywords: Any
) -> Future[Any]:
    """Call a function for a thread at once; see `ThreadPoolExecutor.submit`."""
    if executor._shutdown:
        raise RuntimeError("cannot schedule new futures after shutdown")
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    try:
        future.set_result(function(*args, **keywords))
    except BaseException as exc:
        future.set_exception(exc)
    return future


def socket_class(network: Network, on_host: Callable[[], bool]) -> type[RealSocket]:
    """Return a `socket.socket` that makes simulated sockets on hosts."""

    class Sockets(type(RealSocket)):  # type: ignore[misc]
        """Makes real sockets or simulated ones; both are instances of `socket.socket`."""

        def __call__(cls, *args: Any, **keywords: Any) -> Any:
            if cls is not Socket:
                return type.__call__(cls, *args, **keywords)
            return make(*args, **keywords) if on_host() else RealSocket(*args, **keywords)

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, RealSocket)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, RealSocket)

    class Socket(RealSocket, metaclass=Sockets):
        __doc__ = RealSocket.__doc__

    def make(
        family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> RealSocket:
        if fileno is not None:
            sock = network.sockets.get(fileno)
            return RealSocket(family, type, proto, fileno) if sock is None else sock.another()
        family = socket.AF_INET if family == -1 else family
        kind = socket.SOCK_STREAM if type == -1 else type
        return SimulatedSocket(network, here(), family, kind)

    return Socket


def pair_on(network: Network) -> Callable[..., object]:
    """Return what makes two connected sockets of a host; see `socket.socketpair`."""

    def socketpair(family: Any = None, type: int = socket.SOCK_STREAM, proto: int = 0) -> object:
        return connected_pair(network, here(), type)

    return socketpair
