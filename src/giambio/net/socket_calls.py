"""The system calls of sockets, by the methods of Python's own socket objects.

They are all there is in the Python build: see `syscalls`. The native one calls the system itself,
but a simulation has sockets that the system does not know. Their descriptors are numbers from
`FIRST_VIRTUAL` up, which no system gives, and they are asked by these.
"""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
from socket import socket
from typing import Any, Final

__all__ = [
    "FIRST_VIRTUAL",
    "accept",
    "receive",
    "receive_datagram",
    "receive_from",
    "receive_into",
    "send",
    "send_parts",
    "send_to",
]

#: Above any limit of descriptors, and a C int.
FIRST_VIRTUAL: Final = 2**30


def receive(sock: socket, fd: int, size: int, buffer: Any, plenty: bool) -> bytes | None:
    """Receive at most `size` bytes; None if there is nothing yet.

    `plenty` says that it will probably be much.
    """
    try:
        return sock.recv(min(size, buffer.size))
    except BlockingIOError:
        return None


def receive_into(sock: socket, fd: int, target: Any) -> int:
    """Receive into a writable buffer: the number of bytes; -1 if there is nothing yet."""
    try:
        return sock.recv_into(target)
    except BlockingIOError:
        return -1


def send(sock: socket, fd: int, data: Any, offset: int) -> int:
    """Send the bytes after `offset`: the number of bytes taken; -1 if there is no room."""
    try:
        return sock.send(data if not offset else memoryview(data)[offset:])
    except BlockingIOError:
        return -1


#: Windows does not have it.
HAS_SENDMSG = hasattr(socket, "sendmsg")


def send_parts(sock: socket, fd: int, parts: list[Any], offset: int) -> int:
    """Send at most `MOST_PARTS` objects, of the first one the bytes after `offset`; see `send`."""
    if not HAS_SENDMSG:
        return send(sock, fd, parts[0], offset)
    try:
        return sock.sendmsg([memoryview(parts[0])[offset:], *parts[1:]])
    except BlockingIOError:
        return -1


def accept(sock: socket, fd: int) -> tuple[socket, Any] | None:
    """Accept a connection, which does not block, and its address; None if there is none yet."""
    try:
        connection, address = sock.accept()
    except BlockingIOError:
        return None
    connection.setblocking(False)
    return connection, address


# -- datagrams ------------------------------------------------------------------------------

#: Windows does not have it; there, a datagram that is cut off is an error anyway.
HAS_RECVMSG = hasattr(socket, "recvmsg_into")


def take_datagram(sock: socket, view: memoryview) -> tuple[int, Any]:
    """Receive a datagram: its size, and where it came from."""
    if not HAS_RECVMSG:
        return sock.recvfrom_into(view)
    count, _, flags, address = sock.recvmsg_into([view])
    if flags & stdlib_socket.MSG_TRUNC:
        raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
    return count, address


def receive_datagram(sock: socket, fd: int, size: int, buffer: Any) -> bytes | None:
    """Receive one datagram; None if there is none yet."""
    received = receive_from(sock, fd, size, buffer)
    return None if received is None else received[0]


def receive_from(sock: socket, fd: int, size: int, buffer: Any) -> tuple[bytes, Any] | None:
    """Receive one datagram and the sender's address; None if there is none yet."""
    if buffer.memory is None:
        buffer.memory = memoryview(bytearray(buffer.size))
    view = buffer.memory[:size]
    try:
        count, address = take_datagram(sock, view)
    except BlockingIOError:
        return None
    return bytes(view[:count]), address


def send_to(sock: socket, fd: int, data: Any, address: Any) -> bool:
    """Send one datagram; False if there is no room.

    The address must be numeric: Python would block to look up a name.
    """
    try:
        sock.sendto(data, address)
    except BlockingIOError:
        return False
    return True
