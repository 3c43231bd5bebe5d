"""The socket object: what `socket.socket` is inside a simulation.

It is a real `socket.socket` without a descriptor of the system's: its number is one that the
system never gives, by which giambio's own system calls know that they have to ask the object
instead. Everything else, from `AsyncSocket` to TLS and HTTP, is the code that runs on real ones.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

from giambio.drivers.source import Source
from giambio.net.address import UNIX
from giambio.testing.simulation import unix
from giambio.testing.simulation.tcp import (
    ENDED,
    NEW,
    OPEN,
    ListeningEnd,
    StreamEnd,
    join_streams,
    system_error,
    take_error,
)
from giambio.testing.simulation.udp import DatagramEnd, join_datagrams

if TYPE_CHECKING:
    from giambio.testing.simulation.host import Host
    from giambio.testing.simulation.network import Network

__all__ = ["RealSocket", "SimulatedSocket"]

#: The system's own, whatever `socket.socket` is meanwhile.
RealSocket = socket.socket

FAMILIES = {socket.AF_INET, socket.AF_INET6, UNIX}
#: The kind of a socket without its flags.
KINDS = 0xF

#: The value of `SO_LINGER` by which a close resets the connection.
RESET = struct.pack("ii", 1, 0)

#: Addresses of all machines.
BROADCAST = {"255.255.255.255", "127.255.255.255"}
#: What a connection to any address is to, as on Linux.
LOOPBACK_OF = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


class SimulatedSocket(RealSocket):
    """A socket of a simulated host.

    Parameters:
        network: the network that the host is in.
        host: the host.
        family, kind: see `socket.socket`.
    """

    def __init__(
        self, network: Network, host: Host, family: int, kind: int, end: Any = None
    ) -> None:
        if family not in FAMILIES:
            raise system_error(errno.EAFNOSUPPORT)
        self._begin(family, kind & KINDS)
        self._network = network
        self._host = host
        self._waits: float | None = socket.getdefaulttimeout()
        self._options: dict[tuple[int, int], int] = {}
        # Whether `SO_LINGER` asks for a reset at its end.
        self._resets = False
        #: The address that it is bound to, if it is, and what the host finds it by.
        self.bound_to: Any = None
        self.bound_as: Any = None
        #: What reports readiness for it.
        self.source: Source | None = None
        #: Called for each event, while somebody watches it.
        self.on_event: Callable[[int, bool, bool], object] | None = None
        if end is None:
            ends = {socket.SOCK_STREAM: StreamEnd, socket.SOCK_DGRAM: DatagramEnd}
            make = ends.get(socket.SocketKind(kind & KINDS))
            if make is None:
                raise system_error(errno.EPROTONOSUPPORT)
            end = make(network, host, family)
        self.end: Any = end
        end.owner = self
        self._number = network.open(self)
        host.sockets[self._number] = self

    def _begin(self, family: int, kind: int) -> None:
        # With a descriptor Python asks the system nothing about a socket whose kind it is told.
        with RealSocket(socket.AF_INET, socket.SOCK_DGRAM) as real:
            super().__init__(family, kind, 0, real.fileno())
            socket.SocketType.detach(self)

    def another(self) -> SimulatedSocket:
        """Return another object for the same descriptor."""
        other = SimulatedSocket.__new__(SimulatedSocket)
        other._begin(self.family, self.type)
        vars(other).update(vars(self))
        other._waits = socket.getdefaulttimeout()
        return other

    def __repr__(self) -> str:
        return f"<socket.socket of the simulated host {self._host.name!r} at {self.bound_to}>"

    # -- for the driver --------------------------------------------------------------------------

    def wake(self, readable: bool, writable: bool, sticky: bool) -> None:
        """Report an event, as a driver does: between the steps of tasks."""
        if self._network.loop._running is None:
            self._report(readable, writable, sticky)
        else:
            self._network.soon(self._report, readable, writable, sticky)

    def tell(self) -> None:
        """Report for what it is ready now."""
        end = self.end
        self.wake(end.readable(), end.writable(), getattr(end, "has_ended", False))

    def _report(self, readable: bool, writable: bool, sticky: bool) -> None:
        if self.source is not None:
            self.source.report(readable, writable, sticky)
        if self.on_event is not None:
            self.on_event(self._number, readable, writable)

    def vanish(self) -> None:
        """Be gone with the host: nothing is said to anybody."""
        self._network.retire(self._number)
        self.end.owner = None
        if isinstance(self.end, StreamEnd):
            self.end.state = ENDED

    @property
    def reuses_port(self) -> bool:
        """Whether others may be bound to the same address."""
        return bool(self._options.get((socket.SOL_SOCKET, socket.SO_REUSEPORT)))

    # -- names and options -----------------------------------------------------------------------

    def fileno(self) -> int:
        return -1 if self._is_closed() else self._number

    def setblocking(self, flag: bool) -> None:
        self._waits = None if flag else 0.0

    def getblocking(self) -> bool:
        return self._waits != 0.0

    def settimeout(self, value: float | None) -> None:
        self._waits = value

    def gettimeout(self) -> float | None:
        return self._waits

    def setsockopt(self, level: int, option: int, value: Any, *rest: Any) -> None:
        self._check_open()
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._resets = bytes(value) == RESET
        elif isinstance(value, int):
            self._options[level, option] = value

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        self._check_open()
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            return take_error(self.end)
        if (level, option) == (socket.SOL_SOCKET, socket.SO_TYPE):
            return int(self.type)
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return int(isinstance(self.end, ListeningEnd))
        value = self._options.get((level, option), 0)
        return value.to_bytes(size, "little") if size else value

    def getsockname(self) -> Any:
        self._check_open()
        local = self.end.local
        if local is None:
            if self.family == UNIX:
                return ""
            return any_address(self.family)
        return local

    def getpeername(self) -> Any:
        self._check_open()
        connected = getattr(self.end, "remote", None)
        if connected is None or getattr(self.end, "state", OPEN) == NEW:
            raise system_error(errno.ENOTCONN)
        return connected

    def bind(self, address: Any) -> None:
        self._check_open()
        if self.bound_to is not None:
            raise system_error(errno.EINVAL)
        self._bind(self._full(address))

    def _full(self, address: Any) -> Any:
        """Return an address with all the parts that its family has."""
        if self.family == UNIX:
            return unix.full_name(address)
        if self.family == socket.AF_INET6 and isinstance(address, tuple) and len(address) < 4:
            return (*address, *(0, 0)[: 4 - len(address)])
        return address

    def _full_remote(self, address: Any) -> Any:
        full = self._full(address)
        if self.family == UNIX:
            return full
        if full[0] in BROADCAST and not self._options.get((socket.SOL_SOCKET, socket.SO_BROADCAST)):
            raise system_error(errno.EACCES)
        return (LOOPBACK_OF.get(full[0], full[0]), *full[1:])

    def _bind(self, address: Any) -> None:
        address = self._host.bind(self, self.end.kind, self.family, address)
        self.bound_to = self.end.local = address

    def _bind_if_needed(self, remote: Any) -> None:
        """Bind it to a free port at the address that is seen by the other side."""
        if self.bound_to is not None:
            return
        if self.family == UNIX:
            self.end.local = ""
            return
        host = self._network.host_of(self._host, remote)
        own = remote[0] if host is self._host else self._host.own_address(self.family)
        self._bind((own, 0, *remote[2:]))

    # -- connections -----------------------------------------------------------------------------

    def listen(self, backlog: int = 128) -> None:
        self._check_open()
        backlog = c_int(backlog)
        if isinstance(self.end, ListeningEnd):
            self.end.backlog = backlog
            return
        if not isinstance(self.end, StreamEnd):
            raise system_error(errno.EOPNOTSUPP)
        if self.bound_to is None:
            self._bind(any_address(self.family))
        self.end = ListeningEnd(self.end.local, backlog)
        self.end.owner = self

    def accept(self) -> tuple[RealSocket, Any]:
        self._check_open()
        if not isinstance(self.end, ListeningEnd):
            raise system_error(errno.EINVAL)
        self._check_ready(self.end.readable(), "accept()")
        end = self.end.waiting.popleft()
        sock = SimulatedSocket(self._network, self._host, self.family, self.type, end)
        sock._options.update(self._options)
        return sock, end.remote

    def connect_ex(self, address: Any) -> int:
        self._check_open()
        if isinstance(self.end, ListeningEnd):
            return errno.EISCONN
        try:
            address = self._full_remote(address)
        except PermissionError:
            return errno.ENETUNREACH if self.type == socket.SOCK_STREAM else errno.EACCES
        self._bind_if_needed(address)
        if isinstance(self.end, DatagramEnd):
            return self.end.connect(address)
        number: int = self.end.connect(address)
        return number

    def connect(self, address: Any) -> None:
        number = self.connect_ex(address)
        if number == errno.EINPROGRESS and self._waits != 0.0:
            self._check_ready(self.end.writable(), "connect()")
            number = self.connect_ex(address)
        if number:
            raise system_error(number)

    def shutdown(self, how: int) -> None:
        self._check_open()
        if not isinstance(self.end, StreamEnd):
            raise system_error(errno.ENOTCONN)
        if how != socket.SHUT_RD:
            self.end.end()
        if how != socket.SHUT_WR:
            self.end.hear_no_more()

    # -- data ------------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._check_open()
        peek = bool(flags and flags & socket.MSG_PEEK)
        if isinstance(self.end, DatagramEnd):
            return self._receive_datagram(peek)[0][:size]
        if not isinstance(self.end, StreamEnd):
            raise system_error(errno.ENOTCONN)
        data = self.end.receive(size, peek)
        if data is None:
            raise self._would_wait("recv()")
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Any]:
        self._check_open()
        if isinstance(self.end, DatagramEnd):
            data, sender = self._receive_datagram(bool(flags & socket.MSG_PEEK))
            return data[:size], sender
        return self.recv(size, flags), None

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        view = memoryview(buffer).cast("B")
        data, sender = self.recvfrom(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data), sender

    def recvmsg(
        self, size: int, ancillary: int = 0, flags: int = 0
    ) -> tuple[bytes, list[Any], int, Any]:
        if not isinstance(self.end, DatagramEnd):
            return self.recv(size, flags), [], 0, None
        data, sender = self.recvfrom(LARGEST_RECEIVED, flags)
        return data[:size], [], socket.MSG_TRUNC if len(data) > size else 0, sender

    def recvmsg_into(
        self, buffers: Iterable[Any], ancillary: int = 0, flags: int = 0
    ) -> tuple[int, list[Any], int, Any]:
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        data, _, truncated, sender = self.recvmsg(sum(map(len, views)), ancillary, flags)
        rest = memoryview(data)
        for view in views:
            part = rest[: len(view)]
            view[: len(part)] = part
            rest = rest[len(part) :]
        return len(data), [], truncated, sender

    def _receive_datagram(self, peek: bool) -> tuple[bytes, Any]:
        self._check_ready(self.end.readable(), "recvfrom()")
        received: tuple[bytes, Any] = self.end.receive(peek)
        return received

    def send(self, data: Any, flags: int = 0) -> int:
        self._check_open()
        if flags and flags & socket.MSG_OOB:  # an `IntFlag` is slow
            raise OSError(errno.EOPNOTSUPP, "a simulated socket has no urgent data")
        view = memoryview(data).cast("B")
        if isinstance(self.end, DatagramEnd):
            return self._send_datagram(bytes(view), self.end.remote)
        if not isinstance(self.end, StreamEnd):
            raise system_error(errno.EPIPE)
        count = self.end.send(view)
        if count is None:
            raise self._would_wait("send()")
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view, flags) :]

    def sendmsg(self, buffers: Iterable[Any], *rest: Any) -> int:
        if rest and rest[0]:
            raise OSError(errno.EOPNOTSUPP, "a simulated socket passes no descriptors")
        data = b"".join(buffers)
        if len(rest) > 2 and rest[2] is not None:
            return self.sendto(data, rest[2])
        return self.send(data)

    def sendto(self, data: Any, *rest: Any) -> int:
        self._check_open()
        if not isinstance(self.end, DatagramEnd):
            return self.send(data)
        return self._send_datagram(bytes(data), self._full_remote(rest[-1]))

    def _send_datagram(self, data: bytes, remote: Any) -> int:
        if remote is None:
            raise system_error(errno.EDESTADDRREQ)
        self._bind_if_needed(remote)
        if self.end.error:
            raise system_error(take_error(self.end))
        if not self.end.send(data, remote):
            raise self._would_wait("sendto()")
        return len(data)

    # -- the end ---------------------------------------------------------------------------------

    def _real_close(self, *_: Any) -> None:
        if not self._has_descriptor():
            return
        self._host.unbind(self._network.sockets[self._number])
        self._network.close(self._number)
        self._host.sockets.pop(self._number, None)
        if isinstance(self.end, StreamEnd):
            self.end.close(reset=self._resets)
        else:
            self.end.close()

    def detach(self) -> int:
        number = self.fileno()
        self._closed = True  # `socket.socket` keeps it
        return number

    def dup(self) -> Self:
        raise OSError(errno.EOPNOTSUPP, "a simulated socket cannot be duplicated")

    # -- inside ----------------------------------------------------------------------------------

    def _is_closed(self) -> bool:
        closed: bool = self._closed
        return closed

    def _has_descriptor(self) -> bool:
        """Whether the descriptor is still that of this socket."""
        current = self._network.sockets.get(self._number)
        return current is not None and current.end is self.end

    def _check_open(self) -> None:
        if self._is_closed():
            raise system_error(errno.EBADF)
        if not self._has_descriptor():
            raise system_error(errno.ENETDOWN)  # its host has crashed

    def _check_ready(self, is_ready: bool, what: str) -> None:
        if not is_ready:
            raise self._would_wait(what)

    def _would_wait(self, what: str) -> Exception:
        """Return the exception for a call that would have to wait."""
        if self._waits == 0.0:
            return BlockingIOError(errno.EAGAIN, "it would have to wait")
        return RuntimeError(
            f"{what} of a blocking socket would stop the whole simulation: "
            "use giambio's sockets, or setblocking(False)"
        )


def any_address(family: int) -> Any:
    """Return the address of a socket that is bound to none in particular."""
    return ("::", 0, 0, 0) if family == socket.AF_INET6 else ("0.0.0.0", 0)


def c_int(value: int) -> int:
    """Return a number that the system takes as a C int.

    Raises:
        TypeError, OverflowError: it is none.
    """
    if not -(2**31) <= value < 2**31:
        raise OverflowError("signed integer is greater than maximum")
    return value


#: More than any datagram has.
LARGEST_RECEIVED = 65536


def connected_pair(
    network: Network, host: Host, kind: int
) -> tuple[SimulatedSocket, SimulatedSocket]:
    """Return two sockets of a host that are connected, as `socket.socketpair` does."""
    one, other = (SimulatedSocket(network, host, UNIX, kind) for _ in range(2))
    connect_ends = join_datagrams if isinstance(one.end, DatagramEnd) else join_streams
    connect_ends(one.end, other.end)
    return one, other
