"""Real sockets for the tests of the network: connected pairs, resets, full pipes."""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import giambio
from support.kernel import patience

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
#: The kinds of connections that a stream socket can make.
KINDS = ["IPv4", "IPv6", "Unix"]
FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}


def connected(kind: str = "IPv4") -> tuple[socket.socket, socket.socket]:
    """Two plain, blocking sockets that are connected with each other."""
    if kind == "Unix":
        return socket.socketpair()
    family = FAMILIES[kind]
    with socket.socket(family) as listener:
        listener.bind((LOOPBACK[family], 0))
        listener.listen()
        client = socket.socket(family)
        client.settimeout(20)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    server.settimeout(20)
    return client, server


def half_wrapped(kind: str = "IPv4") -> tuple[giambio.AsyncSocket, socket.socket]:
    """A connection with an `AsyncSocket` at our end and a plain socket at theirs."""
    ours, theirs = connected(kind)
    return giambio.wrap_socket(ours), theirs


def wrapped(kind: str = "IPv4") -> tuple[giambio.AsyncSocket, giambio.AsyncSocket]:
    """A connection with an `AsyncSocket` at both ends."""
    ours, theirs = connected(kind)
    return giambio.wrap_socket(ours), giambio.wrap_socket(theirs)


def listening(family: int = socket.AF_INET, backlog: int = 100) -> giambio.AsyncSocket:
    """A listening `AsyncSocket` on a free port of the loopback."""
    listener = giambio.wrap_socket(socket.socket(family))
    listener.bind((LOOPBACK[socket.AddressFamily(family)], 0))
    listener.listen(backlog)
    return listener


def reset(sock: socket.socket) -> None:
    """Close a plain TCP socket with a reset instead of a goodbye."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def unused_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def server_port() -> int:
    """A free port for a server that is told which; the system gives it to nobody by itself.

    A client that asks again and again whether the server is there would otherwise end up
    with this port as its own, and be connected with itself.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("", port))
            return port


def fill(sock: socket.socket) -> int:
    """Send on a plain socket until there is no room; returns how many bytes that took."""
    sock.setblocking(False)
    total = 0
    try:
        while True:
            total += sock.send(bytes(65536))
    except BlockingIOError:
        return total


async def fill_wrapped(sock: giambio.AsyncSocket) -> int:
    """Send on an `AsyncSocket` until it would have to wait; returns how many bytes."""
    total = 0
    while True:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(sock.send(bytes(65536)))
            await turns()
            if not task.done():
                await giambio.sleep(0.05)  # it has tried, and the system may still make room
                task.cancel()
        if task.cancelled():
            return total
        total += task.result()


def drain(sock: socket.socket, size: int) -> bytes:
    """Receive exactly so many bytes with a plain, blocking socket."""
    parts = []
    while size:
        part = sock.recv(min(size, 1 << 20))
        assert part, "the stream ended early"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


async def receive_exactly(sock: giambio.AsyncSocket, size: int) -> bytes:
    """Receive exactly so many bytes."""
    data = bytearray()
    while len(data) < size:
        part = await sock.receive(size - len(data))
        assert part, f"the stream ended after {len(data)} of {size} bytes"
        data += part
    return bytes(data)


async def receive_to_the_end(sock: giambio.AsyncSocket) -> bytes:
    """Receive until the other side ends its stream."""
    data = bytearray()
    while part := await sock.receive(65536):
        data += part
    return bytes(data)


async def turns(count: int = 10) -> None:
    """Let every other task run until it waits."""
    for _ in range(count * patience()):
        await giambio.checkpoint()


async def outcome(call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """What an await returned, or the exception it raised."""
    try:
        return await call(*args)
    except Exception as exc:
        return exc


def open_descriptors() -> set[int]:
    """The numbers of the descriptors that this process has open."""
    if not os.path.isdir("/proc/self/fd"):
        return set()
    with os.scandir("/proc/self/fd") as entries:
        numbers = {int(entry.name) for entry in entries}
    return {number for number in numbers if is_open(number)}


def is_open(number: int) -> bool:
    """Tell whether a descriptor is open (that of the listing itself is not)."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


class FaultySocket(socket.socket):
    """A plain socket that listens. It counts the calls of `accept`, and has the first ones fail."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.bind(("127.0.0.1", 0))
        self.listen()
        self.errors = list(errors)
        self.calls = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return super().accept()


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """A block in which the process can open so many descriptors more."""
    import resource  # not everywhere

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = [os.dup(0) for _ in range(count + 1)]
    for number in spare:
        os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


SERVER = """
import functools, sys
import giambio

{code}

async def main():
    async with giambio.TaskManager() as manager:
        serve = functools.partial(giambio.serve_tcp, host="127.0.0.1", **OPTIONS)
        (listener,) = await manager.start(serve, handler, 0)
        print(listener.address[1], flush=True)

giambio.run(main, driver=sys.argv[1])
"""


class ServerProcess:
    """A server that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        self.address = ("127.0.0.1", int(line))
        self.errors = ""

    def connect(self) -> socket.socket:
        """A plain, blocking client of it."""
        return socket.create_connection(self.address, 20)


@contextmanager
def server_process(driver: str, code: str, options: str = "") -> Iterator[ServerProcess]:
    """Run `serve_tcp` in a process of its own; at the end, `errors` is what it wrote to stderr.

    Parameters:
        driver: the name of the driver.
        code: Python; it defines `handler`.
        options: more arguments of `serve_tcp`.
    """
    program = SERVER.format(code=f"OPTIONS = dict({options})\n{textwrap.dedent(code)}")
    command = [sys.executable, "-W", "error", "-c", program, driver]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        server = ServerProcess(process)
        try:
            yield server
            assert process.poll() is None, process.communicate()[1]
        finally:
            process.kill()
            server.errors = process.communicate()[1]
