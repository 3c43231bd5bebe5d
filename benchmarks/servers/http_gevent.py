"""HTTP on gevent, with a greenlet for each connection."""

from __future__ import annotations

import gevent
from gevent.server import StreamServer
from gevent.socket import socket

from _http import Conversation
from _listener import RECEIVE_SIZE, announce, open_listener, set_nodelay


def answer(connection: socket, address: object) -> None:
    set_nodelay(connection)
    http = Conversation()
    try:
        while data := connection.recv(RECEIVE_SIZE):
            connection.sendall(http.answer(data))
    except OSError:
        pass  # the client left without saying goodbye


listener = socket(fileno=open_listener().detach())
announce(listener, f"gevent {gevent.__version__}")
StreamServer(listener, answer).serve_forever()
