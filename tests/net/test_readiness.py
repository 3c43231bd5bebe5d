"""Waiting for descriptors of any kind: `wait_readable`, `wait_writable`, `notify_closing`."""

from __future__ import annotations

import os
import pathlib
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.kernel import constants
from support.net import fill, half_wrapped, outcome, turns

Run = Callable[..., Any]
WAITS = [giambio.wait_readable, giambio.wait_writable]


def test_a_pipe_becomes_readable_and_its_other_end_writable(run: Run) -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        await giambio.wait_writable(writer)
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.wait_readable(reader))
            await turns()
            assert not task.done()
            os.write(writer, b"x")
        os.read(reader, 1)
        try:
            while True:
                os.write(writer, bytes(65536))
        except BlockingIOError:
            pass
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.wait_writable(writer))
            await turns()
            assert not task.done()
            os.read(reader, 65536)
        os.close(reader)
        os.close(writer)

    run(main)


def test_the_level_counts_not_the_edge(run: Run) -> None:
    """Rule 15.11: they check the level at each call."""

    async def main() -> None:
        reader, writer = os.pipe()
        os.write(writer, b"x")
        for _ in range(5):  # nobody reads, so it stays readable
            await giambio.wait_readable(reader)
        os.close(writer)
        for _ in range(5):
            await giambio.wait_readable(reader)
        os.close(reader)

    run(main)


@pytest.mark.parametrize("form", ["number", "object"])
def test_a_descriptor_is_a_number_or_an_object_with_fileno(run: Run, form: str) -> None:
    async def main() -> None:
        left, right = socket.socketpair()
        with left, right:
            right.send(b"x")
            fd = left if form == "object" else left.fileno()
            await giambio.wait_readable(fd)
            await giambio.wait_writable(fd)

    run(main)


@pytest.mark.parametrize("wait", WAITS)
def test_a_file_on_disk_is_always_ready(
    run: Run, tmp_path: pathlib.Path, wait: Callable[[Any], Any]
) -> None:
    async def main() -> None:
        with open(tmp_path / "file", "w+b") as file:
            for _ in range(3):
                await wait(file)
            async with giambio.TaskManager() as manager:
                for _ in range(3):
                    await manager.spawn(wait(file))

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has eventfd")
def test_an_eventfd(run: Run) -> None:
    async def main() -> None:
        fd = os.eventfd(0)
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.wait_readable(fd))
            await turns()
            assert not task.done()
            os.eventfd_write(fd, 1)
        os.close(fd)

    run(main)


def test_both_directions_of_one_descriptor_at_once(run: Run) -> None:
    async def main() -> None:
        left, right = socket.socketpair()
        with left, right:
            total = fill(left)
            async with giambio.TaskManager() as manager:
                reading = await manager.spawn(giambio.wait_readable(left))
                writing = await manager.spawn(giambio.wait_writable(left))
                await turns()
                assert not reading.done()
                assert not writing.done()
                while total:
                    total -= len(right.recv(1 << 20))
                await writing
                assert not reading.done()
                right.send(b"x")

    run(main)


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("ready", [True, False])
def test_it_works_beside_an_async_socket_on_the_same_descriptor(
    run: Run, wait: Callable[[Any], Any], ready: bool
) -> None:
    """Rule 15.12: they work beside an `AsyncSocket` on the same one."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours, theirs:
            if ready:
                async with giambio.TaskManager() as manager:  # registers the socket
                    task = await manager.spawn(ours.receive(100))
                    await turns()
                    task.cancel()
                theirs.sendall(b"hello")
                await wait(ours)
                assert await ours.receive(100) == b"hello"
            else:
                async with giambio.TaskManager() as manager:
                    waiting = await manager.spawn(wait(ours))
                    await turns()
                    receiving = await manager.spawn(ours.receive(100))
                    await turns()
                    theirs.sendall(b"hello")
                assert receiving.result() == b"hello"
                assert waiting.result() is None
            async with giambio.TaskManager() as manager:  # and the socket goes on
                receiving = await manager.spawn(ours.receive(100))
                await turns()
                theirs.sendall(b"again")
            assert receiving.result() == b"again"

    run(main)


@pytest.mark.parametrize("wait", WAITS)
def test_a_second_waiter_for_the_same_is_an_error(run: Run, wait: Callable[[Any], Any]) -> None:
    """Rule 15.16: a second waiter for the same."""
    verb = "readable" if wait is giambio.wait_readable else "writable"

    async def main() -> None:
        left, right = socket.socketpair()
        with left, right:
            fill(left)
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(wait(left))
                await turns()
                message = f"another task waits for descriptor {left.fileno()} to be {verb}"
                with pytest.raises(giambio.BusyResourceError, match=message):
                    await wait(left.fileno())
                assert not task.done()
                task.cancel()
            assert task.cancelled()
            with giambio.move_on_after(0.01) as scope:  # the place is free again
                await wait(left)
            assert scope.cancelled_caught

    run(main)


@pytest.mark.parametrize("wait", WAITS)
def test_cancelled_it_did_not_happen(run: Run, wait: Callable[[Any], Any]) -> None:
    """Rule 5.4: one that transferred nothing (readiness) raises."""

    async def main() -> None:
        left, right = socket.socketpair()
        with left, right:
            total = fill(left)
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(wait(left))
                await turns()

                def become_ready() -> None:
                    right.send(b"x")
                    while len(right.recv(1 << 20)) == 1 << 20:
                        pass

                giambio.current_loop().call_soon(become_ready)
                await giambio.checkpoint()
                task.cancel()
            assert task.cancelled()
            assert total
            right.setblocking(False)
            while outcome_of_receiving(right):
                pass
            await wait(left)

    run(main)


def outcome_of_receiving(sock: socket.socket) -> bytes:
    """What a non-blocking socket has, b"" if that is nothing."""
    try:
        return sock.recv(1 << 20)
    except BlockingIOError:
        return b""


def test_notify_closing_wakes_both_waiters_with_an_error(run: Run) -> None:
    async def main() -> None:
        left, right = socket.socketpair()
        with right:
            fill(left)
            async with giambio.TaskManager() as manager:
                tasks = [await manager.spawn(outcome, wait, left) for wait in WAITS]
                await turns()
                fd = left.fileno()
                giambio.notify_closing(left)
                left.close()
            for task in tasks:
                assert isinstance(task.result(), giambio.ClosedResourceError)
                message = f"descriptor {fd} is being closed by another task"
                assert str(task.result()) == message

    run(main)


@pytest.mark.usefixtures("in_turn")
@pytest.mark.parametrize("wait", WAITS)
def test_notify_closing_reaches_a_task_that_gives_way_before_it_waits(
    run: Run, wait: Callable[[Any], Any]
) -> None:
    """The number may be another descriptor's when it is the task's turn again."""

    async def main() -> None:
        left, right = socket.socketpair()
        happened = giambio.Event()
        happened.set()

        async def wait_without_budget() -> None:
            for _ in range(constants.BUDGET):
                await happened.wait()
            await wait(left)

        with right:
            fill(left)
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(outcome, wait_without_budget)
                await giambio.checkpoint()
                giambio.notify_closing(left)
                left.close()
            assert isinstance(task.result(), giambio.ClosedResourceError)

    run(main)


def test_notify_closing_without_waiters_is_harmless(run: Run) -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        giambio.notify_closing(reader)
        with giambio.move_on_after(0):
            await giambio.wait_readable(reader)
        giambio.notify_closing(reader)
        giambio.notify_closing(reader)
        os.close(reader)
        os.close(writer)

    run(main)


def test_notify_closing_leaves_an_async_socket_alone(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours, theirs:
            async with giambio.TaskManager() as manager:
                receiving = await manager.spawn(ours.receive(100))
                await turns()
                giambio.notify_closing(ours)
                await turns()
                theirs.sendall(b"hello")
            assert receiving.result() == b"hello"

    run(main)


@pytest.mark.parametrize("told", [True, False], ids=["notified", "behind our back"])
@pytest.mark.parametrize("wait", WAITS)
def test_a_number_that_was_closed_and_used_again_works(
    run: Run, told: bool, wait: Callable[[Any], Any]
) -> None:
    """Rule 15.4: readiness belongs to the object, never to the descriptor's number."""

    async def main() -> None:
        reader, writer = os.pipe()
        async with giambio.TaskManager() as manager:
            stale = await manager.spawn(outcome, giambio.wait_readable, reader)
            await turns()
            if told:
                giambio.notify_closing(reader)
            os.close(reader)
            left, right = socket.socketpair()
            assert reader in (left.fileno(), right.fileno())
            new, peer = (left, right) if left.fileno() == reader else (right, left)
            with new, peer:
                if wait is giambio.wait_writable:
                    await giambio.wait_writable(new)
                stale.cancel()
                await turns()
                peer.send(b"x")
                await giambio.wait_readable(new)
                await giambio.wait_writable(new)
                assert new.recv(1) == b"x"
        assert stale.cancelled() or isinstance(stale.result(), giambio.ClosedResourceError)
        os.close(writer)

    run(main)


@pytest.mark.parametrize("wait", WAITS)
def test_a_descriptor_that_is_not_open_is_an_os_error(run: Run, wait: Callable[[Any], Any]) -> None:
    fd = 9999  # no number that the loop's own descriptors could get

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(OSError, match="Bad file descriptor"):
                await wait(fd)

    run(main)


@pytest.mark.parametrize("thing", [None, "0", 1.0, True, object()])
@pytest.mark.parametrize("name", ["wait_readable", "wait_writable", "notify_closing"])
def test_what_is_no_descriptor_is_a_type_error(run: Run, name: str, thing: Any) -> None:
    async def main() -> None:
        message = rf"{name}\(\) needs a descriptor's number or an object with fileno\(\)"
        with pytest.raises(TypeError, match=message):
            getattr(giambio, name)(thing)

    run(main)


@pytest.mark.parametrize("name", ["wait_readable", "wait_writable", "notify_closing"])
def test_a_closed_socket_is_no_descriptor(run: Run, name: str) -> None:
    """Rule 15.17: a closed socket."""
    sock = socket.socket()
    sock.close()

    async def main() -> None:
        for closed in (sock, -1):
            with pytest.raises(ValueError, match=rf"{name}\(\) needs an open descriptor"):
                getattr(giambio, name)(closed)

    run(main)


def test_a_number_too_large_for_a_descriptor_is_an_error(run: Run) -> None:
    async def main() -> None:
        with pytest.raises((OSError, OverflowError, ValueError)):
            await giambio.wait_readable(1 << 40)

    run(main)


def test_notify_closing_needs_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
        giambio.notify_closing(0)


def test_closing_an_async_socket_ends_the_waits_for_its_descriptor(run: Run) -> None:
    """Rule 15.12: they work beside an `AsyncSocket`, which needs no notify_closing."""

    async def main() -> bytes:
        left, right = map(giambio.wrap_socket, socket.socketpair())
        number = right.fileno()
        with left:
            async with giambio.TaskManager() as manager:

                async def wait() -> None:
                    with pytest.raises(giambio.ClosedResourceError, match="being closed"):
                        await giambio.wait_readable(number)

                await manager.spawn(wait)
                await turns(2)
                right.close()
            one, other = map(giambio.wrap_socket, socket.socketpair())
            with one, other:
                reused, peer = (one, other) if one.fileno() == number else (other, one)
                assert reused.fileno() == number
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(reused.receive)
                    await turns(2)
                    await peer.send_all(b"for the new one")
                return task.result()

    assert run(main) == b"for the new one"
