"""io_uring: requests, their buffers, and how they are cancelled.

Reads from pipes stand for requests that take long: they end when the test says so.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.drivers.uring import Ring
from giambio.files.file_routes import ring_of
from giambio.files.ring_call import RingCall
from giambio.kernel import constants
from giambio.kernel.operation import current_kernel
from support.files import ring_problem, until

pytestmark = pytest.mark.skipif(bool(ring_problem()), reason=f"no io_uring: {ring_problem()}")

Run = Callable[..., Any]


@pytest.fixture
def ring() -> Iterator[Any]:
    """A ring of its own, without a loop."""
    made: Any = Ring()
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            pass  # the test has closed it


def complete(ring: Any, *requests: Any) -> None:
    """Wait until requests are done, in the way a loop does."""
    while not all(request.done for request in requests):
        ready, _, _ = select.select([ring.event_fd], [], [], 20)
        assert ready, "no completion has come"
        ring.drain_event()
        ring.reap()


def fill(fd: int) -> int:
    """Write to a pipe until it is full; the number of bytes."""
    os.set_blocking(fd, False)
    total = 0
    try:
        while True:
            total += os.write(fd, bytes(4096))
    except BlockingIOError:
        os.set_blocking(fd, True)
        return total


# -- the ring by itself ----------------------------------------------------------------------


def test_what_needs_no_waiting_is_done_at_once(ring: Any, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"data")
    request = ring.read(pipe[0], 100, -1)
    ring.submit(request, None)
    assert (request.done, request.under_way, request.value()) == (True, False, b"data")


def test_the_eventfd_tells_of_what_took_longer(ring: Any, pipe: tuple[int, int]) -> None:
    request = ring.read(pipe[0], 100, -1)
    ring.submit(request, None)
    assert (request.done, request.under_way) == (False, True)
    os.write(pipe[1], b"data")
    complete(ring, request)
    assert request.value() == b"data"


def test_a_cancelled_read_has_read_nothing(ring: Any, pipe: tuple[int, int]) -> None:
    request = ring.read(pipe[0], 100, -1)
    ring.submit(request, None)
    ring.cancel(request)
    complete(ring, request)
    assert request.outcome == -errno.ECANCELED
    os.write(pipe[1], b"data")
    assert os.read(pipe[0], 100) == b"data"


def test_a_cancellation_may_come_too_late(ring: Any, pipe: tuple[int, int]) -> None:
    """Rule 3.5: the request may win the race."""
    request = ring.read(pipe[0], 100, -1)
    ring.submit(request, None)
    os.write(pipe[1], b"data")
    ring.cancel(request)
    complete(ring, request)
    assert request.value() == b"data"
    ring.cancel(request)
    assert request.value() == b"data"


def test_buffers_live_until_the_completion_has_come(ring: Any, pipe: tuple[int, int]) -> None:
    """Rule 3.6: buffers of an operation in flight live until it is complete."""
    size = fill(pipe[1])
    data = bytearray(b"x" * 100)
    ring.submit(ring.write(pipe[1], data, 0, 100, -1), None)  # nobody but the ring holds it
    gc.collect()
    with pytest.raises(BufferError):
        data.append(0)
    os.read(pipe[0], size)
    os.read(pipe[0], 100)
    select.select([ring.event_fd], [], [], 20)
    ring.reap()
    data.append(0)


def test_closing_cancels_and_waits(pipe: tuple[int, int]) -> None:
    """Rule 3.6: what is in flight is cancelled before its buffer is freed."""
    ring: Any = Ring()
    fill(pipe[1])
    data = bytearray(100)
    requests = [ring.read(pipe[0], 100, -1), ring.write(pipe[1], data, 0, 100, -1)]
    for _ in range(10):
        requests.append(ring.write(pipe[1], data, 0, 100, -1))
    for request in requests[1:]:
        ring.submit(request, None)
    ring.close()
    assert all(request.done for request in requests[1:])
    data.append(0)  # it is ours again
    ring.close()
    with pytest.raises(OSError, match="the loop has ended"):
        ring.submit(ring.read(pipe[0], 1, -1), None)


def test_a_dropped_ring_closes_itself(pipe: tuple[int, int]) -> None:
    ring: Any = Ring()
    fds = (ring.fd, ring.event_fd)
    request = ring.read(pipe[0], 100, -1)
    ring.submit(request, None)
    del ring
    gc.collect()
    assert request.outcome == -errno.ECANCELED
    for fd in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_more_completions_than_the_queue_holds(ring: Any) -> None:
    *pipes, last = [os.pipe() for _ in range(400)]
    requests = [ring.read(reader, 10, -1) for reader, _ in [*pipes, last]]
    for request in requests[:-1]:
        ring.submit(request, None)
    for number, (_, writer) in enumerate([*pipes, last]):
        os.write(writer, str(number).encode())
    # Nothing has been reaped, and one more is taken even so (`EBUSY` before Linux 5.19).
    ring.submit(requests[-1], None)
    complete(ring, *requests)
    assert [request.value() for request in requests] == [b"%d" % n for n in range(400)]
    for ends in [*pipes, last]:
        for fd in ends:
            os.close(fd)


def test_what_is_opened_for_nobody_is_closed(ring: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    request = ring.open(os.fsencode(tmp_path / "file"), os.O_RDONLY, 0)
    ring.submit(request, None)
    complete(ring, request)
    assert request.outcome == -1  # and the check for leaks has found nothing


def test_stat_tells_the_same_as_os_stat(ring: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    (tmp_path / "link").symlink_to("file")
    for path in (tmp_path / "file", tmp_path / "link", tmp_path, Path("/dev/null")):
        for follow in (True, False):
            request = ring.stat(-1, os.fsencode(path), follow)
            ring.submit(request, None)
            complete(ring, request)
            ours, theirs = request.value(), os.stat(path, follow_symlinks=follow)
            for name in dir(theirs):
                if name.startswith("st_"):
                    assert getattr(ours, name) == getattr(theirs, name), (path, name)
    with open(tmp_path / "file", "rb") as file:
        request = ring.stat(file.fileno(), None, True)
        ring.submit(request, None)
        complete(ring, request)
        assert request.value() == os.stat(file.fileno())


def test_a_failure_has_the_systems_number(ring: Any) -> None:
    request = ring.open(b"/no/such/file", os.O_RDONLY, 0)
    ring.submit(request, None)
    complete(ring, request)
    assert request.outcome == -errno.ENOENT


def test_more_data_than_there_is_cannot_be_written(ring: Any, pipe: tuple[int, int]) -> None:
    for start, size in ((0, 5), (5, 1), (-1, 2), (0, -1)):
        with pytest.raises(ValueError, match="not so much data"):
            ring.write(pipe[1], b"1234", start, size, -1)


# -- in a task -------------------------------------------------------------------------------


def read_call(fd: int) -> RingCall:
    """An operation that reads by the loop's ring."""
    kernel = current_kernel()
    ring = ring_of(kernel)
    return RingCall(kernel, ring, ring.read(fd, 100, -1), "reading a pipe")


def test_a_task_waits_for_the_ring(run: Run, pipe: tuple[int, int]) -> None:
    async def main() -> bytes:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(read_call, pipe[0])
            await giambio.sleep(0.01)
            assert not task.done()
            os.write(pipe[1], b"data")
            data: bytes = await task
            return data

    assert run(main) == b"data"


@pytest.mark.usefixtures("in_turn")
def test_what_is_done_at_once_counts_by_its_size(run: Run) -> None:
    """Rule 4.7: the budget counts operations (large transfers count by 64 KiB)."""

    async def main() -> int:
        kernel = current_kernel()
        ring = ring_of(kernel)
        received = 0
        others: list[str] = []
        with open("/dev/zero", "rb") as zeros:
            await giambio.checkpoint()
            giambio.current_loop().call_soon(others.append, "had a turn")
            while not others:
                request = ring.read(zeros.fileno(), 1 << 20, -1)
                received += len(await RingCall(kernel, ring, request, "reading zeros"))
        return received

    # The last of the first turn may be too much, and one is done after the other's turn.
    assert run(main) <= constants.BUDGET * 65_536 + 2 * (1 << 20)


def test_a_cancelled_task_has_read_nothing(run: Run, pipe: tuple[int, int]) -> None:
    """Rule 5.5: a cancelled operation did not happen."""

    async def main() -> None:
        for _ in range(20):
            with giambio.move_on_after(0.001) as scope:
                await read_call(pipe[0])
            assert scope.cancelled_caught
        os.write(pipe[1], b"data")
        assert await read_call(pipe[0]) == b"data"

    run(main)


def test_a_task_that_is_cancelled_before_it_begins(run: Run, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"data")

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await read_call(pipe[0])
        assert scope.cancelled_caught
        assert os.read(pipe[0], 100) == b"data"

    run(main)


def test_a_result_wins_over_a_cancellation(run: Run, pipe: tuple[int, int]) -> None:
    """Rule 3.5: an operation in flight may win the race."""
    results: list[Any] = []

    async def read() -> None:
        results.append(await read_call(pipe[0]))
        results.append("still here")
        await giambio.checkpoint()
        results.append("not reached")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(read)
            await giambio.sleep(0.01)
            os.write(pipe[1], b"data")
            task.cancel()
        assert task.cancelled()

    run(main)
    assert results == [b"data", "still here"]


def test_a_cancellation_that_is_taken_back_does_not_disturb(
    run: Run, pipe: tuple[int, int]
) -> None:
    async def read(scope: giambio.CancelScope) -> bytes:
        with scope:
            data: bytes = await read_call(pipe[0])
            return data

    async def main() -> None:
        with giambio.CancelScope() as outer:
            inner = giambio.CancelScope()
            async with giambio.TaskManager() as manager:
                task = manager.start_soon(read, inner)
                await giambio.sleep(0.01)
                outer.cancel()
                inner.shield = True
                with giambio.CancelScope(shield=True):
                    await giambio.sleep(0.01)
                    assert not task.done()
                    os.write(pipe[1], b"data")
                    assert await task == b"data"

    run(main)


def test_an_interrupted_loop_waits_for_what_is_in_flight(pipe: tuple[int, int]) -> None:
    """Rule 3.6: buffers live; at the end of the loop what is in flight is ended."""
    code = f"""
import os, sys
sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})
import giambio
from support.files import interrupt_twice
from giambio.files.file_routes import ring_of
from giambio.files.ring_call import RingCall

async def main():
    loop = giambio.current_loop()
    ring = ring_of(loop)
    async with giambio.TaskManager() as manager:
        for _ in range(5):
            manager.start_soon(wait, RingCall(loop, ring, ring.read({pipe[0]}, 100, -1), "reading"))
        with giambio.CancelScope(shield=True):
            while ring.under_way() < 5:
                await giambio.sleep(0.01)
        interrupt_twice(loop)

async def wait(call):
    with giambio.CancelScope(shield=True):
        await call

try:
    giambio.run(main)
except KeyboardInterrupt:
    print("interrupted")
links = []
for fd in os.listdir("/proc/self/fd"):
    try:
        links.append(os.readlink("/proc/self/fd/" + fd))
    except OSError:
        pass
print([link for link in links if "uring" in link or "event" in link])
"""
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=40, pass_fds=pipe)
    assert (ended.stdout, ended.stderr) == ("interrupted\n[]\n", "")


def test_the_ring_exists_only_while_the_loop_runs(run: Run, tmp_path: Path) -> None:
    """Rule 1.8: `start` releases all it opened."""

    def rings() -> int:
        links = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{fd}"))
            except OSError:
                pass  # that of the listing itself
        return sum("io_uring" in link for link in links)

    async def main() -> None:
        assert rings() == 0
        async with await giambio.open_file(tmp_path / "file", "w"):
            assert rings() == 1
        async with await giambio.open_file(tmp_path / "other", "w"):
            assert rings() == 1

    for _ in range(2):
        run(main)
        assert rings() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_leaves_its_parents_ring_alone(run: Run, pipe: tuple[int, int]) -> None:
    """Rule 1.10: a child never touches its parent's registrations."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(read_call, pipe[0])
            await giambio.sleep(0.01)
            with warnings.catch_warnings():
                # The system's threads for the ring are taken for threads of the program's.
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = child_of(pipe)
                finally:
                    os._exit(status)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert not task.done()
            os.write(pipe[1], b"for the parent")
            assert await task == b"for the parent"

    run(main)


def child_of(pipe: tuple[int, int]) -> int:
    """What the child does: its own loop, with a ring of its own."""
    gc.collect()

    async def main() -> bytes:
        reader, writer = os.pipe()
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(read_call, reader)
            await giambio.sleep(0.01)
            os.write(writer, b"mine")
            data: bytes = await task
            return data

    return 0 if giambio.run(main) == b"mine" else 2


def test_loops_in_two_threads_have_rings_of_their_own(pipe: tuple[int, int]) -> None:
    results: list[bytes] = []

    async def main() -> None:
        reader, writer = os.pipe()
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(read_call, reader)
            await giambio.sleep(0.02)
            os.write(writer, b"data")
            results.append(await task)
        os.close(reader)
        os.close(writer)

    threads = [threading.Thread(target=giambio.run, args=(main,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"data"] * 4


def test_the_kernel_knows_what_is_in_flight(run: Run, pipe: tuple[int, int]) -> None:
    """A clock that jumps does not jump over a request that the system is busy with."""

    async def main() -> None:
        kernel = current_kernel()
        async with giambio.TaskManager() as manager:
            before = kernel._idle.in_flight
            task = manager.start_soon(read_call, pipe[0])
            await until(lambda: kernel._idle.in_flight == before + 1)
            task.cancel()
            await until(lambda: kernel._idle.in_flight == before)
            task = manager.start_soon(read_call, pipe[0])
            await until(lambda: kernel._idle.in_flight == before + 1)
            os.write(pipe[1], b"data")
            await task
            assert kernel._idle.in_flight == before

    run(main)
