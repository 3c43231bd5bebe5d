"""A host: a name, addresses, a clock, and an async function that runs there until it crashes."""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from giambio.kernel.coroutines import name_of
from giambio.kernel.introspect import is_awaitable
from giambio.net.address import UNIX
from giambio.sync.event import Event
from giambio.tasks.cancel import CancelScope
from giambio.tasks.manager import TaskManager
from giambio.testing.simulation import unix
from giambio.testing.simulation.network import Network, is_loopback
from giambio.testing.simulation.tcp import ListeningEnd, system_error
from giambio.testing.simulation.udp import DatagramEnd

if TYPE_CHECKING:
    from giambio.testing.simulation.sockets import SimulatedSocket

__all__ = ["Host", "current_host", "here"]

#: The host that the running code is on; None in the function that describes the system.
current_host: ContextVar[Host | None] = ContextVar("giambio_simulated_host", default=None)

#: Where the ports begin that sockets get which are not bound.
FIRST_PORT = 40000
LAST_PORT = 65535
ANY = ("", "0.0.0.0", "::")


class Host:
    """A machine of a simulation; `Simulation.host` makes it and starts its function.

    Its name and its addresses are known to all hosts. Its crash cuts it off at once: what its
    tasks do to clean up reaches nobody.

    Example:
        >>> import giambio
        >>> from giambio.testing import simulate
        >>> async def database():
        ...     await giambio.sleep_forever()
        >>> async def system(sim):
        ...     db = sim.host("db", database)
        ...     print(db, db.is_up)
        ...     await db.crash()
        ...     print(db.is_up)
        ...     await db.restart()
        >>> simulate(system, seed=1)
        <host 'db' 10.0.0.1> True
        False
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Awaitable[object]],
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        network: Network,
        manager: TaskManager,
        skew: float,
    ) -> None:
        number = len(network.hosts) + 1
        self.name = name
        #: Its IPv4 address.
        self.address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        #: Its IPv6 address.
        self.address6 = f"fd00::{number:x}"
        #: How many seconds its clock is ahead.
        self.skew = skew
        #: How often it has crashed.
        self.crashes = 0
        self.is_up = False
        self.sockets: dict[int, SimulatedSocket] = {}
        self._function = function
        self._args = args
        self._keywords = keywords
        self._network = network
        self._manager = manager
        self._bound: dict[tuple[str, int, Any], list[SimulatedSocket]] = {}
        self._next_port = FIRST_PORT
        self._scope = CancelScope()
        self._ended = Event()
        self._context = copy_context()
        self._context.run(current_host.set, self)

    def __repr__(self) -> str:
        return f"<host {self.name!r} {self.address}>"

    # -- its life --------------------------------------------------------------------------------

    def start(self) -> None:
        """Run its function, anew."""
        self._network.note("start", self.name)
        self.is_up = True
        self._scope = CancelScope()
        self._ended = Event()
        context = self._context.copy()
        self._manager.start_soon(
            self._run, self._scope, self._ended, name=self.name, context=context
        )

    async def _run(self, scope: CancelScope, ended: Event) -> None:
        life = self.crashes
        try:
            with scope:
                await self._called()
        except Exception:
            if self.crashes == life:
                raise
            # What a host that has crashed fails with concerns nobody.
        finally:
            ended.set()

    def _called(self) -> Awaitable[object]:
        awaitable = self._function(*self._args, **self._keywords)
        if not is_awaitable(awaitable):
            raise TypeError(
                f"sim.host() needs an async function, but {name_of(self._function)}() returned "
                f"{awaitable!r}, which cannot be awaited; define it with `async def`"
            )
        return awaitable

    async def crash(self) -> None:
        """Cut it off from the network, cancel its tasks, and wait until they have ended.

        Other hosts notice only that it does not answer any more. Nothing happens if it is down.

        Raises:
            CancelledError: the task is in a cancelled scope; the host is down then.

        A checkpoint.

        Example: see `Host`.
        """
        if self.is_up:
            self._network.note("crash", self.name)
            self.is_up = False
            self.crashes += 1
            for sock in list(self.sockets.values()):
                sock.vanish()
            self.sockets.clear()
            self._bound.clear()
            self._scope.cancel(f"host {self.name!r} has crashed")
        await self._ended.wait()

    async def restart(self) -> None:
        """Crash it if it is up, and run its function anew, with nothing that it had in memory.

        Raises:
            CancelledError: the task is in a cancelled scope.

        A checkpoint.

        Example: see `Host`.
        """
        await self.crash()
        if not self.is_up:  # another task may have been faster
            self.start()

    async def join(self) -> None:
        """Wait until its function has returned, or it has crashed.

        Raises:
            CancelledError: the task is in a cancelled scope.

        A checkpoint.

        Example:
            >>> import giambio
            >>> from giambio.testing import simulate
            >>> async def system(sim):
            ...     await sim.host("client", giambio.sleep, 60).join()
            ...     return giambio.current_time()
            >>> simulate(system, seed=1)
            60.0
        """
        await self._ended.wait()

    # -- its addresses and ports -----------------------------------------------------------------

    def has_address(self, address: str) -> bool:
        """Whether a socket of this host can be bound to an address."""
        return address in (self.address, self.address6, *ANY) or is_loopback(address)

    def own_address(self, family: int) -> str:
        """Return its address of a family."""
        return self.address6 if family == socket.AF_INET6 else self.address

    def seen_by(self, other: Host | None, local: Any, remote: Any) -> Any:
        """Return the address that a socket of this host has for another one."""
        if not isinstance(local, tuple) or local[0] not in ANY:
            return local
        family = socket.AF_INET6 if len(local) > 2 else socket.AF_INET
        own = remote[0] if other is self else self.own_address(family)
        return (own, *local[1:])

    def bind(self, sock: SimulatedSocket, kind: str, family: int, address: Any) -> Any:
        """Give a socket an address of this host; return the address with its port.

        Raises:
            OSError: it is in use, or not one of this host.
        """
        if family == UNIX:
            return self._bind_to(sock, kind, family, unix.made(address), address)
        name, port, *rest = address
        if not self.has_address(name):
            raise system_error(errno.EADDRNOTAVAIL)
        port = port or self._free_port(kind, family)
        return self._bind_to(sock, kind, family, port, (name, port, *rest))

    def _bind_to(
        self, sock: SimulatedSocket, kind: str, family: int, port: Any, address: Any
    ) -> Any:
        others = self._bound.setdefault((kind, family, port), [])
        for other in others:
            same = not isinstance(address, tuple) or overlap(address[0], other.bound_to[0])
            if same and not (sock.reuses_port and other.reuses_port):
                raise system_error(errno.EADDRINUSE)
        others.append(sock)
        sock.bound_as = (kind, family, port)
        return address

    def _free_port(self, kind: str, family: int) -> int:
        for _ in range(FIRST_PORT, LAST_PORT + 1):
            port = self._next_port
            self._next_port = FIRST_PORT if port == LAST_PORT else port + 1
            if not self._bound.get((kind, family, port)):
                return port
        raise system_error(errno.EADDRINUSE)

    def unbind(self, sock: SimulatedSocket) -> None:
        """Let others have a socket's address."""
        bound = self._bound.get(sock.bound_as, [])
        if sock in bound:
            bound.remove(sock)
            if not bound:
                del self._bound[sock.bound_as]

    def listener(self, family: int, address: Any) -> ListeningEnd | None:
        """Return the end that listens at an address."""
        ends = [sock.end for sock in self._bound_at("stream", family, address)]
        listening = [end for end in ends if isinstance(end, ListeningEnd)]
        if len(listening) > 1:  # they share the port
            return self._network.random.choice(listening)
        return listening[0] if listening else None

    def datagram_end(self, family: int, address: Any) -> DatagramEnd | None:
        """Return the end that gets the datagrams to an address."""
        for sock in self._bound_at("datagram", family, address):
            if isinstance(sock.end, DatagramEnd):
                return sock.end
        return None

    def _bound_at(self, kind: str, family: int, address: Any) -> list[SimulatedSocket]:
        if family == UNIX:
            return self._bound.get((kind, family, unix.sought(address)), [])
        bound = self._bound.get((kind, family, address[1]), [])
        return [sock for sock in bound if sock.bound_to[0] in (address[0], *ANY)]


def here() -> Host:
    """Return the host that the running code is on; there must be one."""
    host = current_host.get()
    assert host is not None
    return host


def overlap(one: str, other: str) -> bool:
    """Whether two addresses of a host are, or may be, the same."""
    return one == other or one in ANY or other in ANY
