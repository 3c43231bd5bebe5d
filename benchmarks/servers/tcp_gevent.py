"""gevent with its `StreamServer`: a greenlet for each connection."""

from __future__ import annotations

import gevent
from gevent.server import StreamServer
from gevent.socket import socket
from gevent.ssl import PROTOCOL_TLS_SERVER, SSLContext, SSLSocket

from _listener import RECEIVE_SIZE, announce, certificate, open_listener, set_nodelay


def echo(connection: socket | SSLSocket, address: object) -> None:
    set_nodelay(connection)
    try:
        while data := connection.recv(RECEIVE_SIZE):
            connection.sendall(data)
    except OSError:
        pass  # the client left without saying goodbye


def tls() -> dict[str, SSLContext]:
    """What a server needs for TLS, if it is to speak it: a context of gevent's own."""
    path = certificate()
    if path is None:
        return {}
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return {"ssl_context": context}


listener = socket(fileno=open_listener().detach())
announce(listener, f"gevent {gevent.__version__}")
StreamServer(listener, echo, **tls()).serve_forever()
