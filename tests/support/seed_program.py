"""The program that giambio grew from, its three servers, and a runner for it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

__all__ = ["HOSTS", "PROGRAM", "RUNNER", "WARNING", "Server", "servers"]

PROGRAM = """\
import giambio
import socket


loop = giambio.EventLoop()
addrs = ["example.com", "some-domain.tld", "other-site.net"]

async def io_bound_task():
    res = []
    for addr in addrs:
        sock = loop.wrap_socket(socket.socket())  # This returns a new AsyncSocket object
        await sock.connect(addr)
        res.append(await sock.receive(1024))  # Get some data and append it to a list
    return res

async def main():
    async with giambio.TaskManager(loop) as manager:   # This is the only way to spawn tasks in giambio
        task = await manager.spawn(io_bound_task())
        task2 = await manager.spawn(io_bound_task())  # Task object
        # These two will execute concurrently!

loop.start(main)  # Note the absence of parentheses
"""  # noqa: E501

# Port 80 is given, so the addresses tell one test run from another beside it.
NETWORK = f"127.{os.getpid() >> 8 & 0x7F}.{os.getpid() & 0xFF}"
HOSTS = {
    "example.com": f"{NETWORK}.81",
    "some-domain.tld": f"{NETWORK}.82",
    "other-site.net": f"{NETWORK}.83",
}

#: What runs the program in a process of its own: it redirects the names, forces the
#: driver, and tells what is left open. The program itself is not touched.
RUNNER = """\
import gc, os, runpy, socket, sys
import giambio
from giambio import drivers

hosts = eval(sys.argv[2])
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *args, **kwargs: real(hosts[host], *args, **kwargs)
drivers.default_name = lambda: sys.argv[3]
before = len(os.listdir("/proc/self/fd"))
names = runpy.run_path(sys.argv[1])
gc.collect()
assert len(os.listdir("/proc/self/fd")) == before, os.listdir("/proc/self/fd")
print(giambio.build_info().build)
"""

WARNING = (
    r"ResourceWarning: <giambio.AsyncSocket IPv4 stream to [0-9.:]+> made at {}:11 "
    "was dropped without being closed"
)


class Server(threading.Thread):
    """Greets two clients, but not before both are connected; then sees both leave."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name=f"server of {name}")
        self.greeting = f"welcome to {name}".encode()
        self.left = 0
        self._listener = socket.create_server((address, 80))
        self._listener.settimeout(30)

    def run(self) -> None:
        with self._listener, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self._listener.accept()[0]) for _ in range(2)]
            for client in clients:
                client.settimeout(30)
                client.sendall(self.greeting)
            for client in clients:
                self.left += client.recv(1) == b""


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """A server for each of the program's names."""
    try:
        started = [Server(name, address) for name, address in HOSTS.items()]
    except PermissionError:
        pytest.skip("the seed's program needs servers on port 80, which this user may not have")
    for server in started:
        server.start()
    yield started
    for server in started:
        server.join()
