"""A thousand connections at once, in one thread, each with bytes of its own."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import giambio
from support.net import listening, receive_exactly

Run = Callable[..., Any]
CONNECTIONS = 1000


def payload_of(number: int) -> bytes:
    """Bytes that no other connection sends."""
    return hashlib.sha256(b"%d" % number).digest() * (1 + number % 40)


async def echo(sock: giambio.AsyncSocket) -> None:
    with sock:
        while data := await sock.receive(700):
            await sock.send_all(data)


def test_a_thousand_connections_each_get_their_own_bytes(run: Run) -> None:
    """Rule 15.19: one thread, one process, all connections open at once."""
    open_now = 0
    before = set(threading.enumerate())  # a worker of an earlier test may still rest
    threads_seen: set[threading.Thread] = set()

    async def client(address: Any, number: int, all_open: Callable[[], bool]) -> bytes:
        nonlocal open_now
        with giambio.wrap_socket(socket.socket()) as sock:
            await sock.connect(address)
            open_now += 1
            while not all_open():
                await giambio.sleep(0.01)
            threads_seen.update(threading.enumerate())
            payload = payload_of(number)
            await sock.send_all(payload)
            return await receive_exactly(sock, len(payload))

    async def main() -> list[bytes]:
        with listening(backlog=4096) as listener:
            async with giambio.TaskManager() as manager:

                async def serve() -> None:
                    for _ in range(CONNECTIONS):
                        connection, _ = await listener.accept()
                        manager.start_soon(echo, connection)

                manager.start_soon(serve)
                address = listener.getsockname()
                tasks = [
                    await manager.spawn(client, address, n, lambda: open_now == CONNECTIONS)
                    for n in range(CONNECTIONS)
                ]
            return [task.result() for task in tasks]

    assert run(main) == [payload_of(number) for number in range(CONNECTIONS)]
    assert threads_seen <= before


def test_a_busy_connection_does_not_starve_the_others(run: Run) -> None:
    """Rule 4.8: a busy task cannot starve the others."""
    quiet = 50
    rounds = 20

    async def flood(left: giambio.AsyncSocket, right: giambio.AsyncSocket) -> None:
        while True:  # always ready: nothing here ever has to wait
            await left.send_all(b"x" * 1000)
            await right.receive(1000)

    async def main() -> None:
        pairs = [tuple(map(giambio.wrap_socket, socket.socketpair())) for _ in range(quiet + 1)]
        with giambio.fail_after(30):
            async with giambio.TaskManager() as manager:
                flooding = await manager.spawn(flood, *pairs[0])
                async with giambio.TaskManager() as players:
                    for left, right in pairs[1:]:
                        players.start_soon(echo, right)
                        players.start_soon(ping, left, rounds)
                flooding.cancel()
        for left, right in pairs:
            left.close()
            right.close()

    async def ping(left: giambio.AsyncSocket, rounds: int) -> None:
        for _ in range(rounds):
            await left.send_all(b"ping")
            assert await left.receive(100) == b"ping"
        left.close()

    run(main)
