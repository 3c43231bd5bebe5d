"""The network: which host has which address, and how long a packet takes between two of them.

It knows nothing of connections. What is lost here is sent again by `tcp`, and missed by `udp`. Each
packet is an event of the loop, so the virtual clock is the only clock there is. Within a host it is
there when the call that sends it returns, as on Linux. Packet rules and defaults are those of
turmoil (Rust), as far as they fit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextvars import Context
from hashlib import sha256
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from giambio.net.socket_calls import FIRST_VIRTUAL
from giambio.runtime.loop import EventLoop

if TYPE_CHECKING:
    from giambio.testing.simulation.host import Host
    from giambio.testing.simulation.sockets import SimulatedSocket

__all__ = ["Link", "Network", "Packet"]

#: How long a packet takes between two hosts by default, in seconds.
LATENCY = 0.001
#: How much longer it takes at the most.
JITTER = 0.0005

#: How many events are kept for a report.
MOST_TRACED = 10_000

#: Addresses that each host has for itself; of IPv4 all that begin with 127.
LOOPBACKS = ("127.0.0.1", "::1")


class Packet(NamedTuple):
    """What the network carries, as the function of `Simulation.intercept` sees it.

    Parameters:
        kind: ``"syn"``, ``"accept"``, ``"data"``, ``"end"``, ``"reset"`` or ``"window"`` of a TCP
            connection; ``"datagram"``, or ``"unreachable"``, the answer if nobody gets that.
        source, destination: the names of the hosts.
        sender, receiver: their addresses, in the form of the `socket` module.
        data: the bytes that it carries, if any.

    Example:
        >>> from giambio.testing import Packet
        >>> Packet("data", "web", "db", ("10.0.0.1", 40001), ("10.0.0.2", 5432), b"SELECT").kind
        'data'
    """

    kind: str
    source: str
    destination: str
    sender: Any
    receiver: Any
    data: bytes = b""


class Link:
    """The way between two hosts, the same in both directions; see `Simulation.link`.

    Parameters:
        latency: how long a packet takes at least, in seconds.
        jitter: how much longer it takes at the most.
        loss: the part of the packets that is lost, from 0 to 1. TCP sends them again.
        bandwidth: how many bytes pass in a second, in each direction.

    Raises, when an attribute is set:
        TypeError: it is no number.
        ValueError: it is out of its range.

    Example:
        >>> import giambio
        >>> from giambio.testing import simulate
        >>> async def system(sim):
        ...     link = sim.link("web", "db")
        ...     link.latency, link.loss = 0.02, 0.01
        ...     return link
        >>> simulate(system, seed=1)
        <link latency=0.02 jitter=0.0005 loss=0.01 bandwidth=inf>
    """

    latency: float
    jitter: float
    loss: float
    bandwidth: float

    def __init__(
        self,
        latency: float = LATENCY,
        jitter: float = JITTER,
        loss: float = 0.0,
        bandwidth: float = inf,
    ) -> None:
        self.latency, self.jitter, self.loss, self.bandwidth = latency, jitter, loss, bandwidth
        # For each host that sends, until when what it has sent takes the way.
        self._busy_until: dict[str, float] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            if name not in ("latency", "jitter", "loss", "bandwidth"):
                raise AttributeError(
                    f"a link has latency, jitter, loss and bandwidth, but no {name!r}"
                )
            check_part(name, value)
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return (
            f"<link latency={self.latency} jitter={self.jitter} loss={self.loss} "
            f"bandwidth={self.bandwidth}>"
        )

    def delay(self, source: str, size: int, now: float, random: Random) -> float:
        """Return how long a packet takes; infinity if it is lost."""
        if self.loss and random.random() < self.loss:
            return inf
        waits = 0.0
        if self.bandwidth != inf:
            begins = max(now, self._busy_until.get(source, 0.0))
            self._busy_until[source] = ends = begins + size / self.bandwidth
            waits = ends - now
        return waits + self.latency + (self.jitter * random.random() if self.jitter else 0.0)


def check_part(name: str, value: object) -> None:
    """Raise unless a link can have such a value.

    Raises:
        TypeError, ValueError: it cannot.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"the {name} of a link is a number, not {value!r}")
    if name == "loss":
        if not 0 <= value <= 1:
            raise ValueError(f"the loss of a link is a part, from 0 to 1, not {value!r}")
    elif name == "bandwidth":
        if not value > 0:
            raise ValueError(f"the bandwidth of a link is above 0 bytes a second, not {value!r}")
    elif not 0 <= value < inf:
        raise ValueError(f"the {name} of a link is a time in seconds from 0 up, not {value!r}")


def is_loopback(address: str) -> bool:
    """Whether an address means the host itself."""
    return address in LOOPBACKS or address.startswith("127.")


class Network:
    """Carries packets between the hosts of one simulation.

    Parameters:
        loop: the loop of the simulation.
        random: where chance comes from.
        sockets: all open sockets, by their descriptors.
    """

    def __init__(
        self, loop: EventLoop, random: Random, sockets: dict[int, SimulatedSocket]
    ) -> None:
        self.loop = loop
        self.random = random
        self.hosts: dict[str, Host] = {}
        self.by_address: dict[str, Host] = {}
        self.sockets = sockets
        self._freed: list[int] = []
        self._highest = FIRST_VIRTUAL
        self.links: dict[tuple[str, str], Link] = {}
        #: The pairs of hosts between which nothing passes, for each partition.
        self.cuts: list[set[tuple[str, str]]] = []
        self.rule: Callable[[Packet], float | None] | None = None
        self._loopback = Link(0.0, 0.0)
        # The events belong to no task.
        self._context = Context()
        self._digest = sha256()
        #: The last events, for a report.
        self.trace: deque[str] = deque(maxlen=MOST_TRACED)

    # -- descriptors -----------------------------------------------------------------------------

    def open(self, sock: SimulatedSocket) -> int:
        """Return a descriptor for a socket: the lowest that is free."""
        if self._freed:
            number = heappop(self._freed)
        else:
            number = self._highest
            self._highest += 1
        self.sockets[number] = sock
        return number

    def close(self, number: int) -> bool:
        """Free a descriptor; return whether it was open."""
        if self.sockets.pop(number, None) is None:
            return False
        heappush(self._freed, number)
        return True

    def retire(self, number: int) -> None:
        """Free a descriptor of a host that has crashed, for good: its tasks may still use it."""
        self.sockets.pop(number, None)

    # -- what happens ----------------------------------------------------------------------------

    def note(self, *words: object) -> None:
        """Note an event in the trace."""
        line = f"{self.loop.current_time():.6f} {' '.join(map(str, words))}"
        self._digest.update(line.encode())
        self.trace.append(line)

    def digest(self) -> str:
        """Return a number, in hexadecimal digits, that stands for all that has happened."""
        return self._digest.hexdigest()

    # -- the ways between hosts ------------------------------------------------------------------

    def link(self, one: str, other: str) -> Link:
        """Return the link between two hosts."""
        pair = (one, other) if one <= other else (other, one)
        link = self.links.get(pair)
        if link is None:
            link = self.links[pair] = self._loopback if one == other else Link()
        return link

    def partition(self, left: Iterable[str], right: Iterable[str]) -> set[tuple[str, str]]:
        """Let nothing pass between two groups of hosts; return what `end_partition` takes."""
        left, right = list(left), list(right)
        self.note("partition", *sorted(left), "|", *sorted(right))
        ways = {(one, other) for one in left for other in right}
        cut = ways | {(other, one) for one, other in ways}
        self.cuts.append(cut)
        return cut

    def end_partition(self, cut: set[tuple[str, str]]) -> None:
        """Let pass again what this partition alone has held up."""
        self.note("heal", *sorted({one for one, _ in cut}))
        self.cuts = [other for other in self.cuts if other is not cut]

    def heal(self, hosts: Collection[str]) -> None:
        """Let everything pass again, or that from and to some hosts."""
        self.note("heal", *hosts)
        for cut in self.cuts:
            cut -= {pair for pair in cut if not hosts or set(hosts) & set(pair)}

    def host_of(self, source: Host, address: Any) -> Host | None:
        """Return the host that has an address, seen from a host; a Unix path is its own."""
        if not isinstance(address, tuple) or is_loopback(address[0]):
            return source
        return self.by_address.get(address[0])

    # -- packets ---------------------------------------------------------------------------------

    def send(
        self, packet: Packet, arrive: Callable[..., object], lost: Callable[..., object], item: Any
    ) -> None:
        """Carry a packet.

        Parameters:
            packet: the packet.
            arrive: called with `item` when it is there.
            lost: called with `item`, at once, if it will never be there.
        """
        delay = self.delay(packet)
        if delay == inf:
            lost(item)
        elif not delay:
            self._arrive(packet, arrive, lost, item)
        else:
            self.after(delay, self._arrive, packet, arrive, lost, item)

    def _arrive(
        self, packet: Packet, arrive: Callable[..., object], lost: Callable[..., object], item: Any
    ) -> None:
        host = self.hosts.get(packet.destination)
        if host is None or not host.is_up:
            lost(item)
        else:
            arrive(item)

    def delay(self, packet: Packet) -> float:
        """Return how long a packet takes; infinity if it is lost."""
        if self.rule is not None:
            told = self.rule(packet)
            if told is not None:
                return told
        pair = (packet.source, packet.destination)
        if any(pair in cut for cut in self.cuts):
            return inf
        now = self.loop.current_time()
        return self.link(*pair).delay(packet.source, len(packet.data), now, self.random)

    def soon(self, callback: Callable[..., object], *args: Any) -> None:
        """Call a function of the network in the loop's next turn."""
        self.loop.call_soon(callback, *args, context=self._context)

    def after(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        """Call a function of the network later."""
        self.loop.call_later(seconds, callback, *args, context=self._context)
