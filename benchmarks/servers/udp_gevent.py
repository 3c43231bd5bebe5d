"""gevent: a greenlet that receives and sends, as its `DatagramServer` would start one for each."""

from __future__ import annotations

import gevent
from gevent import socket

from _listener import announce

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("127.0.0.1", 0))
    announce(sock, f"gevent {gevent.__version__}")
    while True:
        data, address = sock.recvfrom(65536)
        sock.sendto(data, address)
