"""Smoke test: the shortest program that uses everything once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import giambio


def test_tasks_and_sockets_together(run: Callable[..., Any]) -> None:
    async def echo(sock: giambio.AsyncSocket) -> None:
        with sock:
            while data := await sock.receive(100):
                await sock.send_all(data)

    async def main() -> bytes:
        left, right = map(giambio.wrap_socket, socket.socketpair())
        async with giambio.TaskManager() as manager:
            await manager.spawn(echo, right)
            with left:
                await left.send_all(b"hello")
                return await left.receive(100)

    assert run(main) == b"hello"


def test_build_info_tells_the_driver_that_runs(run: Callable[..., Any], driver: str) -> None:
    async def main() -> str:
        return giambio.build_info().driver

    assert run(main) == driver
