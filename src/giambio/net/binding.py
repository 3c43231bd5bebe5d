"""Sockets with an address of their own, for TCP and UDP."""

from __future__ import annotations

import os
import socket
from typing import Any

from giambio.arguments import is_int

__all__ = ["bound_socket", "check_backlog", "check_reuse_port"]


def bound_socket(family: int, kind: int, address: Any, reuse_port: bool) -> socket.socket:
    """A plain socket that is bound to an address, which is the system's form of one.

    Raises:
        OSError: that failed; the message names the address.
    """
    sock = socket.socket(family, kind)
    try:
        # A server that is started again need not wait for the connections of the one before
        # it to be forgotten. On Windows, and with datagrams, the option would let strangers in.
        if kind == socket.SOCK_STREAM and os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError as exc:
        sock.close()
        raise OSError(exc.errno, f"{exc.strerror}: {address[:2]!r}") from None
    return sock


def check_reuse_port(what: str, reuse_port: bool) -> None:
    """Refuse what this system has not got.

    Raises:
        ValueError: it has no ``SO_REUSEPORT``.
    """
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError(f"{what} cannot reuse a port here: this system has no SO_REUSEPORT")


def check_backlog(what: str, backlog: int) -> None:
    """Refuse what is no number of connections.

    Raises:
        TypeError, ValueError: it is no whole number from 0 up.
    """
    if not is_int(backlog):
        raise TypeError(f"{what} needs a whole number of connections as backlog, not {backlog!r}")
    if backlog < 0:
        raise ValueError(f"{what} needs a backlog from 0 up, not {backlog!r}")
