"""Sockets that are dropped, reused, outlive their loop, or are collected while in use."""

from __future__ import annotations

import gc
import os
import re
import socket
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.testing import wait_all_tasks_blocked
from support.net import connected, half_wrapped, listening, turns, wrapped

Run = Callable[..., Any]


def test_a_dropped_socket_warns_once_with_its_place_and_is_closed(run: Run) -> None:
    """Rule 15.13: a dropped `AsyncSocket` is closed, and warned about once."""

    async def main() -> None:
        ours, theirs = connected()
        line = sys._getframe().f_lineno + 1
        sock = giambio.wrap_socket(ours)
        fd = sock.fileno()
        place = re.escape(f"{__file__}:{line}")
        message = f"<giambio.AsyncSocket IPv4 stream> made at {place} was dropped without being"
        with theirs, pytest.warns(ResourceWarning, match=message) as caught:
            del sock
            gc.collect()
            assert theirs.recv(1) == b""
        assert len(caught) == 1
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)

    run(main)


def test_a_registered_socket_is_dropped_like_any_other(run: Run) -> None:
    """Rule 15.13: the driver holds no strong reference to a socket."""

    async def main() -> None:
        sock, theirs = half_wrapped()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(sock.receive(100))
            await turns()
            theirs.sendall(b"hello")
        assert task.result() == b"hello"
        with theirs, pytest.warns(ResourceWarning, match="was dropped without being closed"):
            del sock
            assert theirs.recv(1) == b""

    run(main)


def test_an_accepted_connection_that_is_dropped_names_the_place_of_the_accept(run: Run) -> None:
    async def main() -> None:
        with listening() as listener, socket.create_connection(listener.getsockname()):
            connection, _ = await listener.accept()
            with pytest.warns(ResourceWarning, match=re.escape(f"made at {__file__}:")):
                del connection

    run(main)


def test_a_closed_socket_is_dropped_without_a_word(run: Run) -> None:
    async def main() -> None:
        sock, theirs = half_wrapped()
        with theirs, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sock.close()
            del sock
            gc.collect()
        assert caught == []

    run(main)


def test_ten_thousand_dropped_and_reused_descriptors_never_mix_their_bytes(run: Run) -> None:
    """Rule 15.4: readiness belongs to the socket object, never to the number."""
    rounds = 10_000
    numbers: set[int] = set()

    async def main() -> None:
        for number in range(rounds):
            plain, theirs = socket.socketpair()
            sock = giambio.wrap_socket(plain)
            numbers.add(sock.fileno())
            payload = b"%d" % number
            if number % 2:
                theirs.send(payload)
                assert await sock.receive(100) == payload
                theirs.send(b"stale")  # an event for a socket that is about to go
            else:
                giambio.current_loop().call_soon(theirs.send, payload)
                assert await sock.receive(100) == payload  # has waited, so is registered
            del sock, plain
            theirs.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run(main)
    assert len(numbers) < 10  # they were really used again


def test_a_socket_outlives_its_loop_and_goes_on_in_its_next_run(driver: str) -> None:
    """Rule 1.9: a loop may be started again after it has finished."""
    loop = giambio.EventLoop(driver=driver)
    plain, theirs = connected()
    sock = loop.wrap_socket(plain)

    async def receive_later(payload: bytes) -> bytes:
        giambio.current_loop().call_later(0.001, theirs.sendall, payload)
        data: bytes = await sock.receive(100)
        return data

    with theirs:
        for number in range(3):
            payload = b"%d" % number
            assert loop.start(receive_later, payload) == payload
        theirs.sendall(b"between")  # nobody watches the socket now
        assert loop.start(sock.receive, 100) == b"between"
        assert loop.start(receive_later, b"last") == b"last"
        theirs.shutdown(socket.SHUT_WR)
        assert loop.start(sock.receive, 100) == b""
        loop.close()
        sock.close()
        assert theirs.recv(1) == b""


def test_a_socket_dropped_after_its_loop_has_ended_is_closed(driver: str) -> None:
    loop = giambio.EventLoop(driver=driver)
    plain, theirs = connected()
    sock = loop.wrap_socket(plain)

    async def wait(sock: giambio.AsyncSocket) -> None:
        with giambio.move_on_after(0.001):
            await sock.receive(1)

    loop.start(wait, sock)
    loop.close()
    with theirs, pytest.warns(ResourceWarning, match="was dropped without being closed"):
        del sock, plain
        gc.collect()
        assert theirs.recv(1) == b""


def test_collecting_garbage_at_every_step_disturbs_nothing(run: Run) -> None:
    size = 200_000

    async def send(sock: giambio.AsyncSocket, payload: bytes) -> None:
        for start in range(0, size, 4000):
            await sock.send_all(payload[start : start + 4000])
            gc.collect(0)
        await sock.send_eof()

    async def main() -> None:
        left, right = wrapped()
        payload = os.urandom(size)
        received = bytearray()
        with left, right:
            async with giambio.TaskManager() as manager:
                manager.start_soon(send, left, payload)
                while data := await right.receive(3000):
                    received += data
                    gc.collect(0)
        assert received == payload

    run(main)


def test_sockets_in_cycles_are_closed_by_the_collector_while_others_are_served(run: Run) -> None:
    async def main() -> None:
        left, right = wrapped()
        peers = []
        with left, right:
            for _ in range(20):
                sock, theirs = half_wrapped()
                with giambio.move_on_after(0):
                    await sock.receive(1)
                cycle: list[Any] = [sock]
                cycle.append(cycle)
                peers.append(theirs)
                del sock, cycle
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(right.receive(100))
                await turns()
                with pytest.warns(ResourceWarning, match="dropped") as caught:
                    gc.collect()
                await left.send_all(b"hello")
            assert task.result() == b"hello"
            assert len(caught) == 20
        for theirs in peers:
            assert theirs.recv(1) == b""
            theirs.close()

    run(main)


def test_a_plain_socket_closed_behind_our_back_never_reaches_another_connection(run: Run) -> None:
    """Rule 15.5: readiness belongs to the socket object, never to the number."""

    async def main() -> None:
        plain, _peer = socket.socketpair()
        with _peer, giambio.wrap_socket(plain) as ours:
            number = plain.fileno()
            plain.close()
            left, right = socket.socketpair()
            with left, right:
                assert number in (left.fileno(), right.fileno())
                other = left if number == right.fileno() else right
                other.send(b"not for you")
                with pytest.raises(OSError, match=r"closed|Bad file descriptor"):
                    await ours.send_all(b"not for them")
                with pytest.raises(OSError, match=r"closed|Bad file descriptor"):
                    await ours.receive()
                other.setblocking(False)
                with pytest.raises(BlockingIOError):
                    other.recv(100)

    run(main)


def test_a_socket_is_free_again_after_its_loop_was_interrupted(driver: str) -> None:
    """A reader that was woken, and not stepped any more, has left the socket.

    What it was woken with is gone with it: it was received when the event was delivered.
    """

    class InterruptWhenWoken(giambio.Hook):
        def woken(self, task: Any, by: object) -> None:
            loop._stop_between_steps(KeyboardInterrupt())

    loop = giambio.EventLoop(driver=driver)
    left, right = socket.socketpair()
    with right, loop.wrap_socket(left) as sock:

        async def main() -> None:
            async with giambio.TaskManager() as manager:
                await manager.spawn(sock.receive, 10)
                await wait_all_tasks_blocked()
                loop.add_hook(hook)
                right.send(b"hello")
                await giambio.sleep_forever()

        hook = InterruptWhenWoken()
        with pytest.raises(KeyboardInterrupt):
            loop.start(main)
        loop.remove_hook(hook)
        right.send(b"again")
        assert loop.start(sock.receive, 10) == b"again"
    loop.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: giambio.AsyncSocket(),
        lambda: giambio.AsyncSocket(None, None),
        lambda: giambio.AsyncSocket(giambio.EventLoop(), 3),
        lambda: giambio.AsyncDatagramSocket(),
        lambda: giambio.AsyncDatagramSocket(None, None),
        lambda: giambio.EventLoop(1, 2, 3, 4, 5, 6, 7, 8, 9),
        lambda: giambio.EventLoop(driver="none"),
    ],
)
def test_what_was_made_with_wrong_arguments_is_dropped_without_a_word(
    make: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finalizer also runs on what its constructor has not finished."""
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    with pytest.raises((TypeError, ValueError, AttributeError)):
        make()
    gc.collect()
    assert not seen
