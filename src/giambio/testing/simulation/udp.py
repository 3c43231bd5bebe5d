"""UDP: datagrams, each of which arrives whole or not at all."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from giambio.testing.simulation.network import Network, Packet
from giambio.testing.simulation.tcp import port_of, shown_size, system_error

if TYPE_CHECKING:
    from giambio.testing.simulation.host import Host
    from giambio.testing.simulation.sockets import SimulatedSocket

__all__ = ["DatagramEnd"]

#: How many bytes wait to be received; what comes then is dropped.
BUFFER = 212992
#: How many bytes a datagram may have.
LARGEST = 65507


class DatagramEnd:
    """A socket for datagrams."""

    kind = "datagram"

    def __init__(self, network: Network, host: Host, family: int) -> None:
        self.network = network
        self.host = host
        self.family = family
        self.owner: SimulatedSocket | None = None
        self.local: Any = None
        self.remote: Any = None
        self.error = 0
        self.received: deque[tuple[bytes, Any]] = deque()
        self._size = 0

    def readable(self) -> bool:
        """Whether to receive would not wait."""
        return bool(self.received or self.error)

    def writable(self) -> bool:
        """Whether to send would not wait: it never does."""
        return True

    def send(self, data: bytes, remote: Any) -> None:
        """Send a datagram.

        Raises:
            OSError: it is too large.
        """
        if len(data) > LARGEST:
            raise system_error(errno.EMSGSIZE)
        host = self.network.host_of(self.host, remote)
        name = "?" if host is None else host.name
        sender = self.host.seen_by(host, self.local, remote)
        packet = Packet("datagram", self.host.name, name, sender, remote, data)
        self.network.send(packet, self._arrived, self._lost, packet)

    def _lost(self, packet: Packet) -> None:
        self.network.note("lost", packet.source, packet.destination)

    def _arrived(self, packet: Packet) -> None:
        host = self.network.hosts[packet.destination]
        end = host.datagram_end(self.family, packet.receiver)
        if end is None:
            answer = Packet(
                "unreachable", host.name, self.host.name, packet.receiver, packet.sender
            )
            self.network.send(answer, self._unreachable, self._lost, answer)
        elif end.remote in (None, packet.sender):
            end.put(packet)

    def _unreachable(self, answer: Packet) -> None:
        """Nobody has that port: a connected socket hears of it."""
        if self.remote == answer.sender and self.owner is not None:
            self.error = errno.ECONNREFUSED
            self.owner.wake(True, False, True)

    def put(self, packet: Packet) -> None:
        """Take a datagram that has arrived, if there is room."""
        size = len(packet.data)
        if self.owner is None or self._size + size > BUFFER:
            self._lost(packet)
            return
        self.network.note("datagram", self.host.name, port_of(self.local), shown_size(packet.data))
        self._size += size
        self.received.append((packet.data, packet.sender))
        self.owner.wake(True, False, False)

    def receive(self, peek: bool = False) -> tuple[bytes, Any] | None:
        """Take a datagram, and the address that it comes from; None if there is none.

        Raises:
            OSError: the other side has no such port.
        """
        if self.error:
            number, self.error = self.error, 0
            raise system_error(number)
        if not self.received:
            return None
        if peek:
            return self.received[0]
        data, sender = self.received.popleft()
        self._size -= len(data)
        return data, sender

    def close(self) -> None:
        """Receive nothing any more."""
        self.owner = None
