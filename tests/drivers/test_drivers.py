"""The drivers themselves: their reports, and the registrations that they must forget."""

from __future__ import annotations

import math
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

import giambio
from giambio import drivers
from giambio.drivers import interest
from giambio.drivers.driver import Driver
from giambio.drivers.source import Source
from giambio.kernel.callbacks import Callback
from support.net import fill

READING, WRITING = interest.READING, interest.WRITING


KINDS = [*(["epoll"] if sys.platform == "linux" else []), "selectors", "select"]


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """A driver of each kind; the portable one also over the selector that all systems have."""
    if request.param == "select":
        monkeypatch.setattr(selectors, "DefaultSelector", selectors.SelectSelector)
    result = drivers.create("selectors" if request.param == "select" else request.param)
    yield result
    result.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two plain sockets connected with each other."""
    left, right = socket.socketpair()
    with left, right:
        yield left, right


class Reported:
    """A source, and how often those who wait on it were told."""

    def __init__(self, sock: socket.socket) -> None:
        self.source = Source(sock.fileno())
        self.source.readable = self.source.writable = False
        self.read = self.written = 0
        self.source.reader = Callback(self._read)
        self.source.writer = Callback(self._write)

    def _read(self) -> None:
        self.read += 1

    def _write(self) -> None:
        self.written += 1


def poll(driver: Driver, timeout: float = 0.0) -> None:
    """One wait and its delivery."""
    driver.wait(timeout)
    driver.deliver()


def test_a_source_is_told_when_it_becomes_readable(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    reported = Reported(left)
    made.arm(reported.source, READING)
    poll(made)
    assert (reported.read, reported.source.readable) == (0, False)
    right.send(b"x")
    poll(made, 10)
    assert (reported.read, reported.source.readable) == (1, True)
    for _ in range(3):  # once, although nobody has read
        poll(made)
    assert reported.read == 1
    made.forget(reported.source)


def test_a_source_that_is_armed_again_is_told_again(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    reported = Reported(left)
    for count in (1, 2, 3):
        reported.source.readable = False
        made.arm(reported.source, READING)
        right.send(b"x")
        poll(made, 10)
        assert reported.read == count
        left.recv(1)
    made.forget(reported.source)


def test_a_source_is_told_when_there_is_room_to_write(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    fill(left)
    reported = Reported(left)
    made.arm(reported.source, WRITING)
    poll(made)
    assert reported.written == 0
    while not reported.written:
        right.recv(1 << 20)
        poll(made)
    assert reported.source.writable
    made.forget(reported.source)


def test_an_event_that_was_collected_before_forget_is_dropped(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Rule 15.4: events carry a slot and a generation; stale ones are dropped."""
    left, right = pair
    reported = Reported(left)
    made.arm(reported.source, READING)
    right.send(b"x")
    made.wait(10)
    made.forget(reported.source)
    made.deliver()
    assert (reported.read, reported.source.readable) == (0, False)


def test_a_collected_event_does_not_reach_the_next_user_of_the_number(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Rule 15.4: readiness belongs to the socket object, never to the number."""
    left, right = pair
    first = Reported(left)
    made.arm(first.source, READING)
    right.send(b"x")
    made.wait(10)
    made.forget(first.source)
    new, peer = socket.socketpair()
    with new, peer:
        fd = left.detach()
        os.dup2(new.fileno(), fd)
        second = Reported(new)
        second.source = Source(fd)
        second.source.readable = False
        second.source.reader = Callback(second._read)
        made.arm(second.source, READING)
        made.deliver()
        assert (first.read, second.read, second.source.readable) == (0, 0, False)
        peer.send(b"y")
        poll(made, 10)
        assert (first.read, second.read) == (0, 1)
        made.forget(second.source)
        os.close(fd)


def test_forgetting_a_source_leaves_the_next_user_of_its_number_alone() -> None:
    """Rule 15.4: readiness belongs to the socket object, never to the number."""
    if drivers.default_name() != "epoll":
        pytest.skip("only epoll forgets by itself what was closed behind its back")
    made = drivers.create("epoll")
    left, right = socket.socketpair()
    old = Reported(left)
    made.arm(old.source, READING)
    new, peer = socket.socketpair()
    fd = left.detach()
    os.dup2(new.fileno(), fd)  # closes the old one, behind the driver's back
    reported = Reported(new)
    reported.source = Source(fd)
    reported.source.readable = False
    reported.source.reader = Callback(reported._read)
    made.arm(reported.source, READING)
    made.forget(old.source)
    peer.send(b"x")
    poll(made, 10)
    assert (old.read, reported.read) == (0, 1)
    made.forget(reported.source)
    made.close()
    os.close(fd)
    for sock in (right, new, peer):
        sock.close()


def test_two_sources_for_one_descriptor_are_an_error(
    driver: str, pair: tuple[socket.socket, socket.socket]
) -> None:
    made = drivers.create(driver)
    first, second = Reported(pair[0]), Reported(pair[0])
    made.arm(first.source, READING)
    message = f"descriptor {pair[0].fileno()} is already registered by another socket object"
    with pytest.raises(OSError, match=message):
        made.arm(second.source, READING)
    made.forget(second.source)  # harmless
    pair[1].send(b"x")
    poll(made, 10)
    assert (first.read, second.read) == (1, 0)
    made.forget(first.source)
    made.arm(second.source, READING)
    poll(made, 10)
    assert second.read == 1
    made.close()


def test_a_descriptor_that_is_not_open_cannot_be_armed(driver: str) -> None:
    made = drivers.create(driver)
    fd = 9999  # no number that the driver's own descriptors could get
    with pytest.raises(OSError, match="Bad file descriptor"):
        made.arm(Source(fd), READING)
    with pytest.raises(OSError, match="Bad file descriptor"):
        made.watch(fd, READING, Callback(lambda: None))
    assert made.watcher(fd, READING) is None
    made.close()


def test_forget_is_idempotent(made: Driver, pair: tuple[socket.socket, socket.socket]) -> None:
    reported = Reported(pair[0])
    made.forget(reported.source)
    made.arm(reported.source, READING)
    made.forget(reported.source)
    made.forget(reported.source)
    pair[1].send(b"x")
    poll(made)
    assert reported.read == 0


def test_events_that_were_not_delivered_are_not_lost(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A signal may come between `wait` and `deliver`; an edge is not reported twice."""
    reported = Reported(pair[0])
    made.arm(reported.source, READING)
    pair[1].send(b"x")
    made.wait(10)
    made.wait(10)
    made.deliver()
    assert reported.read == 1
    made.deliver()
    assert reported.read == 1
    made.forget(reported.source)


def test_a_watch_tells_once_and_checks_the_level(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Rule 15.11: `wait_readable` and the like check the level at each call."""
    left, right = pair
    told: list[str] = []
    reader = Callback(lambda: told.append("read"))
    right.send(b"x")
    for count in (1, 2):
        assert made.watch(left.fileno(), READING, reader)
        assert made.watcher(left.fileno(), READING) is reader
        assert made.watcher(left.fileno(), WRITING) is None
        poll(made, 10)
        poll(made)
        assert told == ["read"] * count
        assert made.watcher(left.fileno(), READING) is None


def test_both_directions_of_one_descriptor_are_watched_apart(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    told: list[str] = []
    made.watch(left.fileno(), READING, Callback(lambda: told.append("read")))
    made.watch(left.fileno(), WRITING, Callback(lambda: told.append("write")))
    poll(made, 10)
    assert told == ["write"]
    right.send(b"x")
    poll(made, 10)
    assert told == ["write", "read"]


def test_an_ended_watch_tells_nobody(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    told: list[str] = []
    made.watch(left.fileno(), READING, Callback(lambda: told.append("read")))
    made.unwatch(left.fileno(), READING)
    made.unwatch(left.fileno(), READING)
    made.unwatch(left.fileno(), WRITING)
    right.send(b"x")
    poll(made)
    assert told == []


def test_a_watch_beside_a_source_on_one_descriptor(
    made: Driver, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Rule 15.12: they work beside an `AsyncSocket` on the same one."""
    left, right = pair
    reported = Reported(left)
    told: list[str] = []
    made.arm(reported.source, READING)
    made.watch(left.fileno(), READING, Callback(lambda: told.append("read")))
    right.send(b"x")
    for _ in range(3):  # epoll reports the two in two waits
        poll(made)
    assert (reported.read, told) == (1, ["read"])
    made.watch(left.fileno(), READING, Callback(lambda: told.append("again")))
    made.forget(reported.source)
    for _ in range(3):
        poll(made)
    assert told == ["read", "again"]


def test_more_watches_than_one_system_call_reports_fire_together(driver: str) -> None:
    made = drivers.create(driver)
    count = 1500
    told: set[int] = set()
    pipes = [os.pipe() for _ in range(count)]
    for reader, _ in pipes:
        made.watch(reader, READING, Callback(lambda fd=reader: told.add(fd)))
    for _, writer in pipes:
        os.write(writer, b"x")
    for _ in range(5):
        poll(made, 1)
    made.close()
    for reader, writer in pipes:
        os.close(reader)
        os.close(writer)
    assert told == {reader for reader, _ in pipes}


@pytest.mark.parametrize("timeout", [0.0, 1e-9, 0.0004, 0.0101])
def test_wait_does_not_end_before_its_time(made: Driver, timeout: float) -> None:
    """A wait that is rounded down would make the loop spin until the deadline."""
    begin = time.monotonic()
    made.wait(timeout)
    assert time.monotonic() - begin >= timeout - 1e-6


@pytest.mark.parametrize("timeout", [-1.0, 1e6, 1e10, 1e300, math.inf])
def test_long_waits_are_possible_and_end_with_an_event(made: Driver, timeout: float) -> None:
    left, right = socket.socketpair()
    with left, right:
        reported = Reported(left)
        made.arm(reported.source, READING)
        thread = threading.Thread(target=right.send, args=[b"x"])
        thread.start()
        while not reported.read:  # epoll also says that there is room to write
            poll(made, timeout)
        thread.join()
        assert reported.read == 1
        made.forget(reported.source)


def test_close_releases_the_sources_for_another_driver(driver: str) -> None:
    left, right = socket.socketpair()
    with left, right:
        reported = Reported(left)
        for count in (1, 2):
            made = drivers.create(driver)
            reported.source.readable = False
            made.arm(reported.source, READING)
            right.send(b"x")
            poll(made, 10)
            assert reported.read == count
            made.close()
            left.recv(1)


def test_the_selectors_driver_runs_whole_programs_over_select(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selectors, "DefaultSelector", selectors.SelectSelector)
    size = 3_000_000

    async def receive(sock: giambio.AsyncSocket) -> int:
        total = 0
        while data := await sock.receive(65536):
            total += len(data)
        return total

    async def main() -> int:
        left, right = map(giambio.wrap_socket, socket.socketpair())
        with left, right:
            async with giambio.TaskManager() as manager:
                task = manager.start_soon(receive, right)
                await left.send_all(bytes(size))
                await giambio.wait_writable(left)
                await left.send_eof()
            return task.result()

    assert giambio.run(main, driver="selectors") == size


@pytest.mark.parametrize("name", ["kqueue", "", "EPOLL"])
def test_an_unknown_driver_is_an_error_that_lists_the_known(name: str) -> None:
    with pytest.raises(ValueError, match=rf"driver='{name}': on this system there is .*selectors"):
        giambio.EventLoop(driver=name)
    with pytest.raises(ValueError, match="on this system there is"):
        drivers.create(name)


def test_the_best_driver_is_the_default() -> None:
    made = drivers.create()
    assert made.name == drivers.default_name()
    made.close()
