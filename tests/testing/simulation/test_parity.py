"""The tests of the real network pass on the simulated one, too, unchanged.

"""

from __future__ import annotations

from pathlib import Path

MODULES = [
    "test_lingering",
    "test_many_connections",
    "test_readiness",
    "test_serve_stopping",
    "test_serve_tcp",
    "test_serve_tcp_faults",
    "test_socket_basics",
    "test_socket_faults",
    "test_socket_lifetime",
    "test_tcp",
    "test_tcp_listeners",
    "test_tls_data",
    "test_tls_handshake",
    "test_tls_openssl",
    "test_udp",
    "test_unix",
]
EXCEPTIONS: dict[str, str] = {}
