"""TCP: connections that deliver bytes in order, whatever the network loses.

One end of a connection is a `StreamEnd`, and what is on its way to the other end is in a `Pipe`.
Loss is delay: what was lost is sent again after 0.2 s, 0.4 s and so on, and holds up what follows,
until the connection is given up after fifteen times, as Linux does. An end that was closed, or has
crashed and is up again, answers with a reset.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING, Any

from giambio.net.address import UNIX
from giambio.testing.simulation.network import Network, Packet

if TYPE_CHECKING:
    from giambio.testing.simulation.host import Host
    from giambio.testing.simulation.sockets import SimulatedSocket

__all__ = ["ListeningEnd", "StreamEnd", "join_streams", "port_of", "shown_size", "system_error"]

#: How many bytes an end keeps that nobody has received yet.
WINDOW = 262144
#: How many bytes a packet carries at the most.
SEGMENT = 65536
#: After how many seconds something that was lost is sent again, the first time.
RETRANSMISSION = 0.2
#: How long that is at the most; each time is twice as long as the one before.
LONGEST_RETRANSMISSION = 120.0
#: How often something is sent before the connection is given up.
TRIES = 15
#: The same for the first packet of a connection, and after how many seconds it is sent again.
SYN_TRIES = 6
SYN_RETRANSMISSION = 1.0

NEW, CONNECTING, OPEN, ENDED = "new", "connecting", "open", "ended"
#: It could not connect, and has not told that to who wants to connect.
FAILED = "failed"


class Item:
    """Something on its way to the other end."""

    __slots__ = ("arrived", "data", "kind", "number", "tries")

    def __init__(self, kind: str, data: bytes, number: int) -> None:
        self.kind = kind
        self.data = data
        self.number = number
        self.tries = 0
        self.arrived = False


class Pipe:
    """One direction of a connection: what is sent arrives in the same order."""

    def __init__(self, source: StreamEnd, target: StreamEnd) -> None:
        self._source = source
        self.target = target
        self._under_way: deque[Item] = deque()

    def send(self, kind: str, data: bytes = b"", number: int = 0) -> None:
        """Send something."""
        item = Item(kind, data, number)
        self._under_way.append(item)
        self._transmit(item)

    def _transmit(self, item: Item) -> None:
        source, target = self._source, self.target
        if source.host.crashes != source.life:
            return  # a host that has crashed sends nothing again
        packet = Packet(
            item.kind, source.host.name, target.host.name, source.local, source.remote, item.data
        )
        source.network.send(packet, self._arrive, self._lost, item)

    def _lost(self, item: Item) -> None:
        item.tries += 1
        if item.tries > TRIES:
            self._source.fail(errno.ETIMEDOUT)
            return
        seconds = min(RETRANSMISSION * 2.0 ** (item.tries - 1), LONGEST_RETRANSMISSION)
        self._source.network.after(seconds, self._transmit, item)

    def _arrive(self, item: Item) -> None:
        item.arrived = True
        under_way = self._under_way
        while under_way and under_way[0].arrived:
            first = under_way.popleft()
            if self.target.host.crashes != self.target.life:
                # The connection is unknown to the host that is there now.
                self._source.network.after(self._way_back(), self._source.fail, errno.ECONNRESET)
                return
            self.target.arrived(first)

    def _way_back(self) -> float:
        link = self._source.network.link(self._source.host.name, self.target.host.name)
        return link.latency


class StreamEnd:
    """One end of a connection, or of one to be."""

    kind = "stream"

    def __init__(self, network: Network, host: Host, family: int) -> None:
        self.network = network
        self.host = host
        self.family = family
        # Which of the host's lives it is in.
        self.life = host.crashes
        self.state = NEW
        #: Whose end it is; None once that is closed.
        self.owner: SimulatedSocket | None = None
        self.local: Any = None
        self.remote: Any = None
        self.error = 0
        # Whether `connect` has told that it succeeded.
        self.told = False
        self.received: deque[bytes] = deque()
        self.has_ended = False
        self.sends_no_more = False
        self._room = WINDOW
        # Bytes that were received since the other end was told last.
        self._taken = 0
        self._pipe: Pipe | None = None

    def between(self) -> set[str]:
        """Return the names of the hosts that it connects; none if it does not."""
        if self._pipe is None:
            return set()
        return {self.host.name, self._pipe.target.host.name}

    # -- connecting ------------------------------------------------------------------------------

    def connect(self, remote: Any) -> int:
        """Begin to connect, or tell how far that is; return an error number, 0 when connected."""
        if self.state == FAILED:  # from here on it may try another address
            self.state, self.has_ended = NEW, False
            return take_error(self) or errno.ECONNABORTED
        if self.error:
            return take_error(self)
        if self.state == CONNECTING:
            return errno.EALREADY
        if self.state == OPEN:
            told, self.told = self.told, True
            return errno.EISCONN if told else 0
        if self.state == ENDED:
            return errno.ECONNABORTED
        self.remote = remote
        if self.family == UNIX:
            return self._connect_at_once()
        self.state = CONNECTING
        self._knock(0)
        return errno.EINPROGRESS

    def _connect_at_once(self) -> int:
        """Connect a Unix socket: it never waits."""
        try:
            listener = self.host.listener(UNIX, self.remote)
        except OSError as exc:
            return exc.errno or errno.EINVAL
        if listener is None:
            return errno.ECONNREFUSED
        if listener.is_full():
            return errno.EAGAIN
        self._meet(self.host, listener)
        self.state, self.told = OPEN, True
        return 0

    def _meet(self, host: Host, listener: ListeningEnd) -> StreamEnd:
        """Make the other end; the listener has it."""
        other = StreamEnd(self.network, host, self.family)
        other.local, other.remote = self.remote, self.local
        join(self, other)
        other.state = OPEN
        self.network.note("connected", self.host.name, host.name, port_of(self.remote))
        listener.put(other)
        return other

    def _knock(self, tries: int) -> None:
        """Send the first packet, again if it was lost."""
        if self.state != CONNECTING or self.host.crashes != self.life:
            return
        if tries > SYN_TRIES:
            self.fail(errno.ETIMEDOUT)
            return
        host = self.network.host_of(self.host, self.remote)
        name = "?" if host is None else host.name
        packet = Packet("syn", self.host.name, name, self.local, self.remote)
        self.network.send(packet, self._knocked, self._unheard, tries)

    def _unheard(self, tries: int) -> None:
        self.network.after(SYN_RETRANSMISSION * 2.0**tries, self._knock, tries + 1)

    def _knocked(self, tries: int) -> None:
        """The first packet is there: a listener makes the other end, or there is none."""
        if self.state != CONNECTING or self.host.crashes != self.life:
            return
        host = self.network.host_of(self.host, self.remote)
        assert host is not None, "it was there when the packet was sent"
        listener = host.listener(self.family, self.remote)
        if listener is None:
            answer = Packet("reset", host.name, self.host.name, self.remote, self.local)
            self.network.send(answer, self._refused, self._unheard, tries)
        elif listener.is_full():
            self._unheard(tries)
        else:
            self._meet(host, listener)._send("accept")

    def _refused(self, tries: int) -> None:
        if self.state == CONNECTING:
            self.fail(errno.ECONNREFUSED)

    # -- receiving -------------------------------------------------------------------------------

    def readable(self) -> bool:
        """Whether to receive would not wait."""
        waits = not self.has_ended and self.state in (CONNECTING, OPEN)
        return bool(self.received or self.error or not waits)

    def receive(self, size: int, peek: bool = False) -> bytes | None:
        """Take received bytes; none at the end; None if there are none yet.

        Raises:
            OSError: the connection has failed, or there is none.
        """
        if self.received:
            data = self._taken_from_buffer(size, peek)
            if not peek:
                self._note_taken(len(data))
            return data
        self.raise_error()
        if self.has_ended or self.state == ENDED:
            return b""
        if self.state != OPEN:
            raise system_error(errno.ENOTCONN)
        return None

    def _taken_from_buffer(self, size: int, peek: bool) -> bytes:
        """Return as much as there is, at most `size`: a short read means that there is no more."""
        parts: list[bytes] = []
        for part in list(self.received):
            if size <= 0:
                break
            parts.append(part[:size])
            if not peek:
                self.received.popleft()
                if len(part) > size:
                    self.received.appendleft(part[size:])
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _note_taken(self, size: int) -> None:
        self._taken += size
        if self._taken >= WINDOW // 2 and self.state == OPEN:
            self._send("window", number=self._taken)
            self._taken = 0

    def arrived(self, item: Item) -> None:
        """Take what has come from the other end."""
        if item.kind == "accept":
            if self.state == CONNECTING:
                self.state = OPEN
                self._wake(writable=True)
            else:  # it has given up meanwhile
                self._send("reset")
        elif item.kind == "reset":
            self.fail(errno.EPIPE if self.has_ended else errno.ECONNRESET)
        elif item.kind == "window":
            was, self._room = self._room, self._room + item.number
            if was <= 0:
                self._wake(writable=True)
        elif item.kind == "end":
            self.network.note("end", self.host.name, port_of(self.local))
            self.has_ended = True
            self._wake(readable=True)
        elif self.owner is None and self.state != OPEN:
            self._send("reset")
        else:
            self.network.note("data", self.host.name, port_of(self.local), shown_size(item.data))
            self.received.append(item.data)
            self._wake(readable=True)

    def hear_no_more(self) -> None:
        """Receive nothing but an end from now on."""
        self.has_ended = True
        self._wake(readable=True)

    # -- sending ---------------------------------------------------------------------------------

    def writable(self) -> bool:
        """Whether to send would not wait."""
        return self.state != CONNECTING and (self._room > 0 or self.state != OPEN)

    def send(self, data: memoryview) -> int | None:
        """Send as much as there is room for; None if there is none.

        Raises:
            OSError: the connection has failed or ended, or there is none.
        """
        if self.family == UNIX and self._is_left():
            raise system_error(errno.EPIPE)
        self.raise_error()
        if self.state == NEW:
            raise system_error(errno.ENOTCONN)
        if self.sends_no_more or self.state in (ENDED, FAILED):
            raise system_error(errno.EPIPE)
        if self.state == CONNECTING or self._room <= 0:
            return None
        part = bytes(data[: min(self._room, SEGMENT)])
        if part:
            self._room -= len(part)
            self._send("data", part)
        return len(part)

    def _is_left(self) -> bool:
        """Whether the other end is closed, which only a Unix socket can know."""
        return self._pipe is not None and self._pipe.target.state == ENDED

    def end(self) -> None:
        """Send nothing any more.

        Raises:
            OSError: there is no connection.
        """
        if self.state != OPEN:
            raise system_error(errno.ENOTCONN)
        if not self.sends_no_more:
            self.sends_no_more = True
            self._send("end")

    def close(self, reset: bool = False) -> None:
        """Leave: with a reset if there are bytes that nobody has received, or if that is wanted."""
        self.owner = None
        if self.state == OPEN:
            if reset or self.received:
                self._send("reset")
            elif not self.sends_no_more:
                self._send("end")
        self.state = ENDED

    def _send(self, kind: str, data: bytes = b"", number: int = 0) -> None:
        if self._pipe is not None:
            self._pipe.send(kind, data, number)

    # -- the end ---------------------------------------------------------------------------------

    def fail(self, number: int) -> None:
        """Break the connection, for this end."""
        if self.state in (ENDED, FAILED):
            return
        self.network.note("failed", self.host.name, port_of(self.local), errno.errorcode[number])
        self.state = FAILED if self.state == CONNECTING else ENDED
        self.error = number
        self.has_ended = True
        self._wake(readable=True, writable=True)

    def raise_error(self) -> None:
        """Raise the error, once.

        Raises:
            OSError: there is one.
        """
        if self.error:
            raise system_error(take_error(self))

    def _wake(self, readable: bool = False, writable: bool = False) -> None:
        if self.owner is not None:
            self.owner.wake(readable, writable, self.has_ended)


class ListeningEnd:
    """A socket that listens: the connections that nobody has accepted yet."""

    #: It has none, as long as it is not closed.
    error = 0

    def __init__(self, local: Any, backlog: int) -> None:
        self.local = local
        self.backlog = backlog
        self.owner: SimulatedSocket | None = None
        self.waiting: deque[StreamEnd] = deque()

    def readable(self) -> bool:
        """Whether to accept would not wait."""
        return bool(self.waiting)

    def writable(self) -> bool:
        """Whether to send would not wait: it cannot be done at all."""
        return False

    def is_full(self) -> bool:
        """Whether there is no room for another connection."""
        return len(self.waiting) > self.backlog

    def put(self, end: StreamEnd) -> None:
        """Take a new connection on."""
        self.waiting.append(end)
        if self.owner is not None:
            self.owner.wake(True, False, False)

    def close(self) -> None:
        """Reset the connections that nobody has accepted."""
        self.owner = None
        for end in self.waiting:
            end.close(reset=True)
        self.waiting.clear()


def join(one: StreamEnd, other: StreamEnd) -> None:
    """Make two ends the ends of one connection."""
    one._pipe, other._pipe = Pipe(one, other), Pipe(other, one)


def join_streams(one: StreamEnd, other: StreamEnd) -> None:
    """Connect the ends of two sockets without a name."""
    join(one, other)
    for end in (one, other):
        end.state, end.told, end.local, end.remote = OPEN, True, "", ""


def take_error(end: Any) -> int:
    """Return the number of an end's error and forget it, as the system does; 0 if there is none."""
    number: int = end.error
    end.error = 0
    return number


def port_of(address: Any) -> Any:
    """Return the port of an address."""
    return address[1] if isinstance(address, tuple) else address


def shown_size(data: bytes) -> object:
    """Return how many bytes there are, for the trace; of TLS, whose sizes are random, nothing."""
    return "tls" if data[1:2] == b"\x03" and data[:1] in b"\x14\x15\x16\x17" else len(data)


def system_error(number: int) -> OSError:
    """Return the error of a system call."""
    return OSError(number, os.strerror(number))
