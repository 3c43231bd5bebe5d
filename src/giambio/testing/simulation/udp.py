"""UDP: datagrams, each of which arrives whole or not at all."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from giambio.net.address import UNIX
from giambio.testing.simulation.network import Network, Packet
from giambio.testing.simulation.tcp import port_of, shown_size, system_error, take_error

if TYPE_CHECKING:
    from giambio.testing.simulation.host import Host
    from giambio.testing.simulation.sockets import SimulatedSocket

__all__ = ["DatagramEnd", "join_datagrams"]

#: How many bytes wait to be received; what comes then is dropped.
BUFFER = 212992
#: How many bytes a datagram may have.
LARGEST = 65507
#: How many datagrams wait in a Unix socket; then who sends to it has to wait.
UNIX_BUFFER = 11


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
        # Of a Unix socket: the one that it is connected with, and those that wait for room here.
        self._other: DatagramEnd | None = None
        self._waiting: list[DatagramEnd] = []

    def connect(self, remote: Any) -> int:
        """Have a remote address for all that is sent; return an error number or 0."""
        if self.family == UNIX:
            try:
                self._other = self._sought(remote)
            except OSError as exc:
                return exc.errno or errno.EINVAL
        self.remote = remote
        return 0

    def _sought(self, remote: Any) -> DatagramEnd:
        """Return the Unix socket of a name.

        Raises:
            OSError: there is none.
        """
        end = self.host.datagram_end(UNIX, remote)
        if end is None:
            raise system_error(errno.ECONNREFUSED)
        return end

    def readable(self) -> bool:
        """Whether to receive would not wait."""
        return bool(self.received or self.error)

    def writable(self) -> bool:
        """Whether to send would not wait: only a Unix socket ever does."""
        return self._other is None or not self._other.is_full()

    def is_full(self) -> bool:
        """Whether there is no room for another datagram of a Unix socket."""
        return len(self.received) >= UNIX_BUFFER

    def send(self, data: bytes, remote: Any) -> bool:
        """Send a datagram; return whether there was room.

        Raises:
            OSError: it is too large, or a Unix socket is not there.
        """
        if self.family == UNIX:
            return self._hand_over(data, remote)
        if len(data) > LARGEST:
            raise system_error(errno.EMSGSIZE)
        host = self.network.host_of(self.host, remote)
        name = "?" if host is None else host.name
        sender = self.host.seen_by(host, self.local, remote)
        packet = Packet("datagram", self.host.name, name, sender, remote, data)
        self.network.send(packet, self._arrived, self._lost, packet)
        return True

    def _hand_over(self, data: bytes, remote: Any) -> bool:
        """Send a datagram to a Unix socket."""
        other = self._other if self._other and remote == self.remote else self._sought(remote)
        if other.owner is None:
            raise system_error(errno.ECONNREFUSED)
        if other.is_full():
            other._waiting.append(self)
            return False
        sender = self.local or None
        other.put(Packet("datagram", self.host.name, self.host.name, sender, remote, data))
        return True

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
            raise system_error(take_error(self))
        if not self.received:
            return None
        if peek:
            return self.received[0]
        data, sender = self.received.popleft()
        self._size -= len(data)
        waiting, self._waiting = self._waiting, []
        for end in waiting:
            if end.owner is not None:
                end.owner.wake(False, True, False)
        return data, sender

    def close(self) -> None:
        """Receive nothing any more."""
        self.owner = None


def join_datagrams(one: DatagramEnd, other: DatagramEnd) -> None:
    """Connect two Unix sockets without a name."""
    one._other, other._other = other, one
    one.local = other.local = one.remote = other.remote = ""
