"""The clients of the demo: a process of its own, with a descriptor limit of its own.

It opens all connections, waits until the server has counted them, sends a
payload on each, compares the echo, and closes them on request.
So there is a moment at which all of them are open.
"""

from __future__ import annotations

import hashlib
import socket
import sys
from contextlib import ExitStack
from time import perf_counter

import giambio
from giambio.demo.control import Control
from giambio.demo.system import describe, local_addresses, raise_descriptor_limit

#: The number of connections being opened at once: less than any backlog.
OPENING = 100
ROUNDS = 3
SOURCES = 8
STEPS = 100


class Clients:
    """All connections, and their outcome."""

    def __init__(self, control: Control, server: tuple[str, int], count: int) -> None:
        self._control = control
        self._server = server
        self._count = count
        self._step = max(1, count // STEPS)
        self._sources = local_addresses(2, SOURCES)
        self._socks: dict[int, giambio.AsyncSocket] = {}
        self._echoed = 0
        self._problem: str | None = None

    async def run(self) -> None:
        """Open, echo, close: each step when all connections have finished the one before."""
        try:
            async with giambio.TaskManager(limit=OPENING) as manager:
                for number in range(self._count):
                    if self._problem is not None:
                        break  # a limit was hit: continue with the open ones
                    await manager.spawn(self._open, number)
            await self._control.send(state="opened", count=len(self._socks))
            await self._control.receive()

            began = perf_counter()
            async with giambio.TaskManager() as manager:
                for number, sock in self._socks.items():
                    await manager.spawn(self._echo, number, sock)
            await self._control.send(
                state="echoed",
                count=self._echoed,
                messages=self._echoed * ROUNDS,
                seconds=perf_counter() - began,
                problem=self._problem,
            )
            await self._control.receive()
        finally:
            for sock in self._socks.values():
                sock.close()

    async def _open(self, number: int) -> None:
        """Connect, and exchange a payload: a handshake alone does not prove service."""
        try:
            with ExitStack() as undo:
                sock = undo.enter_context(giambio.wrap_socket(socket.socket()))
                sock.bind((self._sources[number % len(self._sources)], 0))
                await sock.connect(self._server)
                await self._exchange(number, 0, sock)
                undo.pop_all()
        except OSError as exc:
            self._note(exc)
            return
        self._socks[number] = sock
        await self._report("open", len(self._socks))

    async def _echo(self, number: int, sock: giambio.AsyncSocket) -> None:
        """Exchange payloads on one connection, several times."""
        try:
            for turn in range(1, ROUNDS + 1):
                await self._exchange(number, turn, sock)
        except OSError as exc:
            self._note(exc)
            return
        self._echoed += 1
        await self._report("echo", self._echoed)

    async def _exchange(self, number: int, turn: int, sock: giambio.AsyncSocket) -> None:
        """Send a payload that no other connection sends, and compare the echo.

        Raises:
            OSError: the connection broke, or the echo was wrong.
        """
        expected = payload(number, turn)
        await sock.send_all(expected)
        received = b""
        while len(received) < len(expected):
            data = await sock.receive(len(expected) - len(received))
            if not data:
                raise giambio.BrokenResourceError("the server has closed the connection")
            received += data
        if received != expected:
            raise OSError(f"connection {number} did not get back what it had sent")

    async def _report(self, state: str, count: int) -> None:
        if count % self._step == 0:
            await self._control.send(state=state, count=count)

    def _note(self, exc: OSError) -> None:
        self._problem = self._problem or describe(exc, "a client")


def payload(number: int, turn: int) -> bytes:
    """Return a unique payload, which begins with the number of its connection."""
    seed = number.to_bytes(8, "big") + turn.to_bytes(8, "big")
    return seed + hashlib.shake_128(seed).digest(112)


async def run_clients(control: int, server: int, count: int) -> None:
    """Run the clients, with the ports of the control connection and of the server."""
    async with giambio.connect_tcp("127.0.0.1", control) as sock:
        await Clients(Control(sock), ("127.0.0.1", server), count).run()


def main() -> int:
    """Run as a process of its own: its arguments are two ports, a number, and a driver or "".

    Returns:
        The exit code.
    """
    *numbers, driver = sys.argv[1:]
    control, server, connections = map(int, numbers)
    raise_descriptor_limit(connections)
    try:
        giambio.run(run_clients, control, server, connections, driver=driver or None)
    except (KeyboardInterrupt, giambio.BrokenResourceError):
        return 1  # the parent is gone, or was interrupted as well
    return 0


if __name__ == "__main__":
    sys.exit(main())
