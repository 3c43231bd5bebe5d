"""Files when something goes wrong: full disks, cancellations, forgotten awaits, dropped files."""

from __future__ import annotations

import errno
import gc
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.files import async_file
from giambio.files.file_syscalls import in_worker
from giambio.files.turn import Turn
from giambio.testing import VirtualClock
from support.files import (
    disk_or_memory,  # noqa: F401  # fixtures
    drop_from_cache,
    forced_route,  # noqa: F401
    until,
)
from support.threads import all_workers_rest

pytestmark = pytest.mark.usefixtures("route")

Run = Callable[..., Any]
HERE = os.path.basename(__file__)


def descriptors() -> set[str]:
    """What this process has open."""
    return set(os.listdir("/proc/self/fd"))


def fill(fd: int) -> int:
    """Write to a pipe until it is full; the number of bytes."""
    os.set_blocking(fd, False)
    total = 0
    try:
        while True:
            total += os.write(fd, bytes(4096))
    except BlockingIOError:
        return total


# -- full disks ---------------------------------------------------------------------------


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may become larger; what would is an error, as Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "giambio", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_what_was_written_to_a_full_disk_is_kept_and_tried_again(
    run: Run, small_disk: Path
) -> None:
    """Rule 17.7: disk full. Right error, nothing lost."""
    (small_disk / "other").write_bytes(bytes(60_000))
    path = small_disk / "file"
    data = os.urandom(30_000)

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            assert await file.write(data) == 30_000
            for _ in range(2):
                with pytest.raises(OSError, match="No space left on device") as caught:
                    await file.flush()
                assert caught.value.errno == errno.ENOSPC
            assert await file.tell() == 30_000
            (small_disk / "other").unlink()
            await file.flush()
            await file.write(b"more")

    run(main)
    assert path.read_bytes() == data + b"more"


def test_a_write_that_makes_no_room_has_taken_nothing(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        file = await giambio.open_file(path, "wb", buffering=1000)
        with largest_file(500):
            await file.write(b"a" * 800)
            with pytest.raises(OSError, match="File too large") as caught:
                await file.write(b"b" * 300)
            assert caught.value.errno == errno.EFBIG
        await file.write(b"c" * 300)
        await file.close()

    run(main)
    assert path.read_bytes() == b"a" * 800 + b"c" * 300


def test_a_large_write_may_have_written_a_part(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            await file.write(b"small ")
            with largest_file(100_000), pytest.raises(OSError, match="File too large"):
                await file.write(b"x" * 3_000_000)
            assert await file.tell() == 100_000
            await file.write(b"!")

    run(main)
    assert path.read_bytes() == b"small " + b"x" * 99_994 + b"!"


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_closing_says_what_could_not_be_written(run: Run, place: Path, mode: str) -> None:
    """Rule 5.13: `close()` releases the descriptor first, and only then raises."""
    path = place / "file"
    data: Any = "x" * 1000 if mode == "w" else b"x" * 1000

    async def main() -> None:
        before = descriptors()
        for close in (True, False):
            with largest_file(600), pytest.raises(OSError, match="File too large") as caught:
                if close:
                    file = await giambio.open_file(path, mode)
                    await file.write(data)
                    await file.close()
                else:
                    async with await giambio.open_file(path, mode) as file:
                        await file.write(data)
            assert caught.value.__notes__ == [f"400 bytes for {str(path)!r} were not written"]
            assert file.closed
            await file.close()
        rings = [fd for fd in descriptors() - before if "anon_inode" not in where(fd)]
        assert rings == []

    run(main)
    assert path.read_bytes() == b"x" * 600


def where(fd: str) -> str:
    """What a descriptor is; nothing if it is closed."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "anon_inode"


def test_the_errors_of_the_body_and_of_closing_are_both_told(run: Run, place: Path) -> None:
    async def main() -> None:
        with largest_file(0), pytest.raises(OSError, match="File too large") as caught:
            async with await giambio.open_file(place / "file", "w") as file:
                await file.write("text")
                raise KeyError("body")
        assert isinstance(caught.value.__context__, KeyError)

    run(main)


# -- cancellation -------------------------------------------------------------------------


def test_a_cancelled_call_has_done_nothing(run: Run, place: Path) -> None:
    """Rule 4.2: a pending cancellation raises and nothing was done."""
    path = place / "file"
    path.write_bytes(b"data")

    async def main() -> None:
        async with await giambio.open_file(path, "rb+") as file:
            calls: list[Callable[[], Any]] = [
                file.read,
                lambda: file.read(2),
                file.readline,
                file.readlines,
                file.receive,
                lambda: file.readinto(bytearray(2)),
                file.__anext__,
                lambda: file.write(b"no"),
                lambda: file.write(b"no" * 100_000),
                lambda: file.send_all(b"no"),
                lambda: file.writelines([b"no"]),
                lambda: file.seek(1),
                lambda: file.truncate(0),
                file.tell,
                file.flush,
                file.fsync,
                lambda: giambio.open_file(place / "new", "w"),
            ]
            for call in calls:
                with giambio.CancelScope() as scope:
                    scope.cancel()
                    await call()
                assert scope.cancelled_caught
            assert await file.tell() == 0
            assert await file.read() == b"data"
        assert os.listdir(place) == ["file"]

    run(main)
    assert path.read_bytes() == b"data"


def test_cancelled_reads_lose_nothing(run: Run, place: Path) -> None:
    """Rule 5.5: a cancelled operation did not happen."""
    path = place / "file"
    data = b"".join(b"%d\n" % number for number in range(200_000))
    path.write_bytes(data)
    chance = random.Random(7)

    async def main() -> None:
        pieces: list[bytes] = []
        async with await giambio.open_file(path, "rb") as file:
            while True:
                piece = None
                with giambio.move_on_after(chance.random() * 0.002):
                    if not pieces or chance.random() < 0.3:
                        drop_from_cache(path)
                    kind = chance.randrange(4)
                    if kind == 0:
                        piece = await file.read(chance.randrange(1, 300_000))
                    elif kind == 1:
                        piece = b"".join(await file.readlines(chance.randrange(1, 200_000)))
                    elif kind == 2:
                        piece = await file.readline()
                    else:
                        piece = await file.receive(chance.randrange(1, 100_000))
                if piece == b"":
                    break
                pieces.append(piece or b"")
        assert b"".join(pieces) == data

    run(main)


def test_cancelled_text_reads_lose_nothing(run: Run, place: Path) -> None:
    """Rule 5.5: a cancelled operation did not happen."""
    path = place / "file"
    text = "".join(f"äöü {number}\n" for number in range(100_000))
    path.write_text(text, encoding="utf-8")
    chance = random.Random(8)

    async def main() -> None:
        pieces: list[str] = []
        async with await giambio.open_file(path, encoding="utf-8") as file:
            while True:
                piece = None
                with giambio.move_on_after(chance.random() * 0.002):
                    if chance.random() < 0.2:
                        drop_from_cache(path)
                    kind = chance.randrange(4)
                    if kind == 0:
                        piece = await file.read(chance.randrange(1, 100_000))
                    elif kind == 1:
                        piece = "".join(await file.readlines(chance.randrange(1, 100_000)))
                    elif kind == 2:
                        piece = await file.readline()
                    else:
                        await file.seek(await file.tell())
                if piece == "":
                    break
                pieces.append(piece or "")
        assert "".join(pieces) == text

    run(main)


def test_cancelled_writes_are_not_written(run: Run, place: Path) -> None:
    """Rule 5.5: nothing of a `write` that fits into the buffer is written if cancelled."""
    path = place / "file"
    chance = random.Random(9)
    written: list[bytes] = []

    async def main() -> None:
        async with await giambio.open_file(path, "wb", buffering=5000) as file:
            for number in range(2000):
                record = b"%d:%s\n" % (number, b"x" * chance.randrange(2000))
                with giambio.move_on_after(chance.random() * 0.0005) as scope:
                    await file.write(record)
                if not scope.cancelled_caught:
                    written.append(record)

    run(main)
    assert path.read_bytes() == b"".join(written)


def test_what_has_begun_in_a_thread_keeps_its_result(run: Run) -> None:
    """Rules 17.6, 5.3: the result is kept, and the next checkpoint raises."""
    begun, go_on = threading.Event(), threading.Event()
    results: list[Any] = []

    def block() -> str:
        begun.set()
        go_on.wait(20)
        return "done"

    async def work() -> None:
        results.append(await in_worker("blocking", block))
        await giambio.checkpoint()
        results.append("not reached")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(work)
            await until(begun.is_set)
            task.cancel()
            await giambio.sleep(0.01)
            assert not task.done()
            go_on.set()

    run(main)
    assert results == ["done"]


# -- deadlocks and virtual time ------------------------------------------------------------

#: How long another process takes before it opens a named pipe for writing, in seconds.
LATE = 0.4


@contextmanager
def opened_late(path: Path) -> Iterator[None]:
    """A block in which another process, and no thread, opens a named pipe after a while."""
    os.mkfifo(path)
    program = f"import time; time.sleep({LATE}); open({str(path)!r}, 'wb').write(b'x')"
    with subprocess.Popen([sys.executable, "-c", program]) as other:
        try:
            yield
        finally:
            other.kill()  # for when nobody has opened it here


def test_a_file_that_is_being_opened_is_no_deadlock_and_an_open_one_hides_none(
    run: Run, tmp_path: Path
) -> None:
    """Rule 11.6: a job in a thread or io_uring."""
    data = []

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await manager.spawn(event.wait)
            async with await giambio.open_file(tmp_path / "pipe", "rb") as file:
                data.append(await file.read())
            event.set()
        async with await giambio.open_file(tmp_path / "file", "wb"):
            await giambio.Event().wait()

    with opened_late(tmp_path / "pipe"), pytest.raises(giambio.DeadlockError):
        run(main)
    assert data == [b"x"]


def test_virtual_time_stands_still_while_a_file_is_being_opened(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        with giambio.fail_after(1):
            file = await giambio.open_file(tmp_path / "pipe", "rb")
        assert giambio.current_time() == 0
        await giambio.sleep(10)  # and now it goes on
        assert giambio.current_time() == 10
        await file.close()

    with opened_late(tmp_path / "pipe"):
        run(main, clock=VirtualClock())


def test_virtual_time_stands_still_while_files_are_used(run: Run, place: Path) -> None:
    """Each operation waits for a disk or a thread, and the deadline is as near as can be."""
    path = place / "file"
    content = os.urandom(1 << 18)

    async def main() -> None:
        for _ in range(20):
            with giambio.fail_after(1e-6):
                async with await giambio.open_file(path, "wb") as file:
                    await file.write(content)
                    await file.fsync()
                drop_from_cache(path)
                async with await giambio.open_file(path, "rb") as file:
                    assert await file.read() == content
                    assert await file.seek(0, os.SEEK_END) == len(content)
                await giambio.Path(path).unlink()
            assert giambio.current_time() == 0

    run(main, clock=VirtualClock())


# -- pipes: what may take for ever --------------------------------------------------------


def test_opening_a_pipe_can_be_cancelled(run: Run, tmp_path: Path) -> None:
    """Rule 17.6: a pipe that is opened too late is closed."""

    async def main() -> None:
        for mode in ("r", "w"):
            path = tmp_path / mode
            os.mkfifo(path)
            for _ in range(3):
                with giambio.move_on_after(0.01) as scope:
                    await giambio.open_file(path, mode)
                assert scope.cancelled_caught
            # A thread that was left to itself still opens it, when the other side comes.
            other = os.open(path, os.O_RDWR)
            await until(lambda path=path: opened(path) == 1 and all_workers_rest())
            os.close(other)
            assert opened(path) == 0

    run(main)


def opened(path: Path) -> int:
    """How often this process has a file open."""
    return sum(str(path) in where(fd) for fd in descriptors())


def test_a_cancelled_read_from_a_pipe_has_read_nothing(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def main() -> None:
        other = os.open(path, os.O_RDWR)
        async with await giambio.open_file(path) as file:
            os.write(other, "ein ä".encode()[:-1])
            for call in (file.readline, file.read, lambda: file.read(10), file.readlines):
                with giambio.move_on_after(0.01) as scope:
                    await call()
                assert scope.cancelled_caught
            os.write(other, "ä".encode()[1:] + b"\nmore\n")
            assert await file.readline() == "ein ä\n"
            assert await file.read(4) == "more"
        async with await giambio.open_file(path, "rb") as binary:
            os.write(other, b"some")
            for call in (binary.readline, binary.read, lambda: binary.read(10), binary.readlines):
                with giambio.move_on_after(0.01) as scope:
                    await call()
                assert scope.cancelled_caught
            assert await binary.receive(3) == b"som"
            with giambio.move_on_after(0.01) as scope:
                await binary.readinto(bytearray(10))
            assert scope.cancelled_caught
            os.write(other, b"thing\n")
            assert await binary.readline() == b"ething\n"
        os.close(other)

    run(main)


def test_an_unbuffered_read_continues_a_cancelled_readline(run: Run) -> None:
    """The part of the line that was there is read first."""

    async def main() -> None:
        reader, writer = os.pipe()
        os.write(writer, b"abc")
        async with await giambio.open_file(reader, "rb", 0) as file:
            with giambio.move_on_after(0.05) as scope:
                await file.readline()
            assert scope.cancelled_caught
            os.write(writer, b"def\n")
            assert (await file.read(2), await file.read(5), await file.read(5)) == (
                b"ab",
                b"c",
                b"def\n",
            )
            os.close(writer)

    run(main)


def test_a_cancelled_send_all_is_finished_by_the_next(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = os.urandom(300_000)

    async def main() -> None:
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        async with await giambio.open_file(path, "wb") as file:
            with giambio.move_on_after(0.01) as scope:
                await file.send_all(data)
            assert scope.cancelled_caught
            received = bytearray(os.read(reader, 1000))

            async def read_rest() -> None:
                while len(received) < len(data) + 3:
                    await giambio.wait_readable(reader)
                    received.extend(os.read(reader, 65536))

            async with giambio.TaskManager() as manager:
                manager.start_soon(read_rest)
                await file.send_all(b"end")
            assert received == data + b"end"
        os.close(reader)

    run(main)


def test_a_pipe_that_nobody_reads_from_is_broken(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def main() -> None:
        for call in ("write", "send_all"):
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            file = await giambio.open_file(path, "wb", buffering=0)
            os.close(reader)
            with pytest.raises(ConnectionError) as caught:
                await getattr(file, call)(b"data")
            assert isinstance(caught.value, giambio.BrokenResourceError) == (call == "send_all")
            if call == "send_all":
                with pytest.raises(BrokenPipeError):
                    await file.close()
            await file.close()

    run(main)


def test_closing_gets_a_reader_out(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def main() -> None:
        other = os.open(path, os.O_RDWR)
        file = await giambio.open_file(path, "rb")
        async with giambio.TaskManager(strict=True) as manager:
            tasks = [manager.start_soon(closed_under, file.read) for _ in range(3)]
            tasks.append(manager.start_soon(closed_under, file.readline))
            await giambio.sleep(0.01)
            await file.close()
        assert [task.result() for task in tasks] == [True] * 4
        os.close(other)

    run(main)


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_closing_gets_a_task_out_that_only_yields_control(run: Run, side: str) -> None:
    """At whatever operation its budget is used up, it does not begin to wait any more."""

    async def main(before: int) -> None:
        ends = os.pipe()
        if side == "reader":
            file = await giambio.open_file(ends[0], "rb")
            call: Callable[[], Any] = file.readline
        else:
            os.set_blocking(ends[1], False)
            with pytest.raises(BlockingIOError):
                while True:
                    os.write(ends[1], bytes(65536))
            file = await giambio.open_file(ends[1], "wb", 0)
            call = partial(file.write, bytes(100))
        event = giambio.Event()
        event.set()

        async def use() -> None:
            for _ in range(before):
                await event.wait()
            await closed_under(call)

        with giambio.fail_after(5):
            async with giambio.TaskManager() as manager:
                manager.start_soon(use)
                manager.start_soon(file.close)
        os.close(ends[side == "reader"])

    for before in range(55, 70):
        run(main, before)


def test_closing_flushes_to_a_pipe_that_is_full(run: Run) -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        received = bytearray()
        file = await giambio.open_file(writer, "wb", 300_000)
        await file.write(bytes(250_000))

        async def receive() -> None:
            while data := os.read(reader, 65536):
                received.extend(data)
                await giambio.wait_readable(reader)

        async with giambio.TaskManager() as manager:
            closing = manager.start_soon(file.close)
            assert file.closed
            await giambio.testing.wait_all_tasks_blocked()
            assert not closing.done()
            manager.start_soon(receive)
        assert received == bytes(250_000)
        os.close(reader)

    run(main)


async def closed_under(call: Callable[[], Any]) -> bool:
    """Tell whether the file is closed while the call waits."""
    with pytest.raises(giambio.ClosedResourceError, match="this file is closed"):
        await call()
    return True


# -- closing ------------------------------------------------------------------------------


def test_closing_in_a_cancelled_scope_writes_and_releases(run: Run, place: Path) -> None:
    """Rule 5.13: `close()` always releases the descriptor, then raises."""
    path = place / "file"

    async def main() -> None:
        file = await giambio.open_file(path, "w")
        await file.write("text")
        with giambio.CancelScope() as scope:
            scope.cancel()
            try:
                await file.close()
            finally:
                assert file.closed
                assert path.read_text() == "text"
        assert scope.cancelled_caught
        with giambio.CancelScope() as scope:
            async with await giambio.open_file(path, "a") as file:
                await file.write(" more")
                scope.cancel()
                await giambio.checkpoint()
        assert scope.cancelled_caught
        assert path.read_text() == "text more"
        await file.close()

    run(main)


def test_closing_a_full_pipe_can_be_cancelled(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def main() -> None:
        other = os.open(path, os.O_RDWR)
        fill(other)
        file = await giambio.open_file(path, "wb")
        await file.write(b"data")
        with giambio.move_on_after(0.01):
            try:
                await file.close()
            except giambio.CancelledError as exc:
                assert exc.__notes__ == [f"4 bytes for {str(path)!r} were not written"]
                raise
        assert file.closed
        os.close(other)

    run(main)


async def stands_in_line(file: Any, length: int) -> None:
    """Wait until a file is in use and so many calls wait for it."""
    turns = file._file.turns
    await until(lambda: turns.current is not None and turns.waiting.length == length)


async def begin_turn(file: Any) -> Turn:
    """Begin to use a file, as a task does."""
    turn = Turn(file._file.kernel, file._file.turns)
    await turn
    return turn


def test_close_waits_for_its_turn_and_ends_the_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def main() -> None:
        file = await giambio.open_file(path, "wb")
        turn = await begin_turn(file)
        async with giambio.TaskManager() as manager:
            manager.start_soon(file.write, b"before")
            await stands_in_line(file, 1)
            manager.start_soon(file.close)
            await stands_in_line(file, 2)
            late = [manager.start_soon(closed_under, partial(file.write, b"late"))]
            late += [manager.start_soon(closed_under, file.flush)]
            await stands_in_line(file, 4)
            turn.end()
        assert [task.result() for task in late] == [True, True]

    run(main)
    assert path.read_bytes() == b"before"


def test_tasks_in_line_may_be_cancelled(run: Run, tmp_path: Path) -> None:
    """The line is served in its order, and who left it is not missed."""
    path = tmp_path / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            turn = await begin_turn(file)
            async with giambio.TaskManager() as manager:
                tasks = []
                for number in range(6):
                    tasks.append(manager.start_soon(file.write, b"%d" % number))
                    await stands_in_line(file, number + 1)
                tasks[2].cancel()
                tasks[4].cancel()
                await stands_in_line(file, 4)
                turn.end()
                tasks[3].cancel()  # too late: it may have been handed over
                tasks[5].cancel()
            assert [task.cancelled() for task in tasks] == [False, False, True, True, True, True]

    run(main)
    assert path.read_bytes() == b"01"


def test_a_turn_that_was_handed_over_is_given_on_if_its_task_is_closed(
    run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        async with await giambio.open_file(tmp_path / "file", "wb") as file:
            turn = await begin_turn(file)
            async with giambio.TaskManager() as manager:
                task = manager.start_soon(wait_for_turn, file)
                await stands_in_line(file, 1)
                turn.end()
                task.cancel()
            assert file._file.turns.current is None

    async def wait_for_turn(file: Any) -> None:
        (await begin_turn(file)).end()
        await giambio.checkpoint()

    run(main)


def test_a_call_that_was_begun_by_hand_may_be_closed_in_another_task(run: Run) -> None:
    """A turn belongs to the call, and ends with it."""

    async def main() -> None:
        reader, writer = os.pipe()
        async with await giambio.open_file(reader, "rb") as file:
            call = file.read(5)
            call.send(None)

            async def close() -> None:
                call.close()

            async with giambio.TaskManager() as manager:
                manager.start_soon(close)
            os.write(writer, b"hello")
            assert await file.read(5) == b"hello"
            os.close(writer)

    run(main)


def test_a_call_may_outlive_the_task_that_began_it(run: Run) -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        file = await giambio.open_file(reader, "rb")
        calls = [file.read(5)]

        async def begin() -> None:
            calls[0].send(None)

        async with giambio.TaskManager() as manager:
            manager.start_soon(begin)
        calls.pop().close()
        await file.close()
        assert file.closed
        os.close(writer)

    run(main)


def test_a_turn_ends_if_memory_is_short_just_after_it_has_begun(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ShortOfMemory:
        def __init__(self, *args: Any) -> None:
            self.turn = Turn(*args)
            self.end = self.turn.end

        def __await__(self) -> Any:
            yield from self.turn.__await__()
            raise MemoryError

    async def main() -> None:
        file = await giambio.open_file(tmp_path / "file", "wb")
        with monkeypatch.context() as patch:
            patch.setattr(async_file, "Turn", ShortOfMemory)
            for call in (file.flush, file.close):
                with pytest.raises(MemoryError):
                    await call()
        await file.write(b"data")
        await file.close()

    run(main)
    assert (tmp_path / "file").read_bytes() == b"data"


def test_a_task_that_waits_for_its_turn_waits_for_a_file_operation(
    run: Run, tmp_path: Path
) -> None:
    """And not for a lock that its author never made."""

    async def main() -> None:
        async with await giambio.open_file(tmp_path / "file", "wb") as file:
            turn = await begin_turn(file)
            async with giambio.TaskManager() as manager:
                manager.start_soon(file.write, b"data")
                await stands_in_line(file, 1)
                (child,) = giambio.task_tree()[0].children
                assert child.waits_for == "a file operation"
                turn.end()

    run(main)


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_forgotten_await_on_close_loses_nothing(run: Run, place: Path, mode: str) -> None:
    """Rule 5.12: a forgotten `await` on it leaks nothing."""
    path = place / "file"

    async def main() -> None:
        file = await giambio.open_file(path, mode)
        await file.write("text" if mode == "w" else b"text")  # type: ignore[arg-type]
        message = r"close\(\) of <.*AsyncFile .* was never awaited: its data was written at once"
        with pytest.warns(RuntimeWarning, match=message):
            file.close()
        assert file.closed
        assert path.read_text() == "text"
        file.close()
        with pytest.raises(RuntimeError, match=r"this close\(\) was awaited already"):
            closing = file.close()
            await closing
            await closing

    run(main)


@pytest.mark.parametrize("mode", ["r", "rb", "w", "wb"])
def test_closing_a_file_without_unwritten_data_needs_no_await(
    run: Run, place: Path, mode: str
) -> None:
    """Rule 5.12: as with a socket, also after `flush`."""
    path = place / "file"
    path.write_text("text")

    async def main() -> None:
        file = await giambio.open_file(path, mode)
        if "w" in mode:
            await file.write("text" if mode == "w" else b"text")
            await file.flush()
        else:
            assert await file.read(2) in ("te", b"te")
        number = file.fileno()
        file.close()
        assert file.closed
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
        assert path.read_text() == "text"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)


def test_a_forgotten_await_on_close_ends_a_read_at_once(run: Run, tmp_path: Path) -> None:
    """Rules 5.12, 15.17: the task that waits for a pipe gets an error, and no warning follows."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def main() -> None:
        writer = os.open(path, os.O_RDWR)
        file = await giambio.open_file(path, "rb", 0)
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(error_of, file.read, 1)
            await giambio.testing.wait_all_tasks_blocked()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                file.close()
        assert isinstance(task.result(), giambio.ClosedResourceError)
        assert file.closed
        os.close(writer)

    run(main)


async def error_of(call: Callable[..., Any], *args: Any) -> BaseException | None:
    """What a call raises."""
    try:
        await call(*args)
    except Exception as exc:
        return exc
    return None


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_dropped_file_warns_and_writes(run: Run, place: Path, mode: str) -> None:
    """Rule 17.8: closed, and warned about with the place."""
    path = place / "file"

    async def main() -> None:
        file = await giambio.open_file(path, mode)
        await file.write("text" if mode == "w" else b"text")  # type: ignore[arg-type]
        with pytest.warns(ResourceWarning, match=f"opened at .*{HERE}:.* was dropped without"):
            del file
            gc.collect()

    run(main)
    assert path.read_text() == "text"


@pytest.mark.parametrize("forgotten", ["file", "close"])
def test_a_warning_that_is_an_error_does_not_keep_a_file_open(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    path = place / "file"
    caught: list[str] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda problem: caught.append(str(problem.exc_value))
    )

    async def main() -> None:
        file = await giambio.open_file(path, "wb")
        await file.write(b"data")
        fd = file.fileno()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if forgotten == "close":
                file.close()
                assert file.closed
            del file
            gc.collect()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)

    run(main)
    assert path.read_bytes() == b"data"
    (problem,) = caught
    assert "never awaited" in problem if forgotten == "close" else "was dropped" in problem
    assert " closed>" not in problem  # it tells of the file as it was


def test_a_dropped_file_on_a_full_disk_is_not_silent(run: Run, place: Path) -> None:
    caught: list[BaseException | None] = []
    previous = sys.unraisablehook

    async def main() -> None:
        file = await giambio.open_file(place / "file", "w")
        await file.write("text")
        with largest_file(0), pytest.warns(ResourceWarning, match="was dropped without"):
            del file
            gc.collect()

    sys.unraisablehook = lambda problem: caught.append(problem.exc_value)
    try:
        run(main)
    finally:
        sys.unraisablehook = previous
    assert [type(exc) for exc in caught] == [OSError]
    assert "File too large" in str(caught[0])


def test_a_file_is_closed_when_its_task_is_given_up(run: Run, place: Path) -> None:
    """The loop itself is interrupted: nothing can wait, and even so nothing is lost."""
    code = f"""
import os, sys
sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})
import giambio
from support.files import interrupt_twice

async def main():
    async with await giambio.open_file({str(place / "file")!r}, "w") as file:
        await file.write("text")
        with giambio.CancelScope(shield=True):
            interrupt_twice(giambio.current_loop())
            await giambio.sleep_forever()

try:
    giambio.run(main)
except KeyboardInterrupt:
    print("interrupted")
"""
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=40)
    assert (ended.stdout, ended.stderr) == ("interrupted\n", "")
    assert (place / "file").read_text() == "text"


def test_ctrl_c_in_the_middle_writes_what_was_accepted(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "w") as file:
            await file.write("text")
            os.kill(os.getpid(), signal.SIGINT)
            await giambio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert path.read_text() == "text"


# -- descriptors --------------------------------------------------------------------------


def test_when_descriptors_have_run_out(run: Run, place: Path) -> None:
    """Rule 15.18: descriptor exhaustion. And it goes on when there are some again."""
    path = place / "file"
    path.write_bytes(b"data")

    async def main() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        await giambio.to_thread(int)  # what starts a thread may need descriptors, too
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, descriptors())) + 1, hard))
        held = []
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            pass
        try:
            for mode in ("rb", "wb"):
                with pytest.raises(OSError, match="Too many open files") as caught:
                    await giambio.open_file(path if mode == "rb" else place / "new", mode)
                assert caught.value.errno == errno.EMFILE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in held:
                os.close(fd)
        async with await giambio.open_file(path, "rb") as file:
            assert await file.read() == b"data"

    run(main)


def test_a_descriptor_that_was_closed_behind_our_back(run: Run, place: Path) -> None:
    (place / "file").write_bytes(b"data")

    async def main() -> None:
        file = await giambio.open_file(place / "file", "rb")
        os.close(file.fileno())
        with pytest.raises(OSError, match="Bad file descriptor"):
            await file.read()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await file.close()
        assert file.closed

    run(main)


def test_nothing_is_written_to_whoever_has_the_number_next(run: Run, tmp_path: Path) -> None:
    """Rule 15.4: nothing reaches the next user of the number."""

    async def write(number: int) -> None:
        path = tmp_path / str(number)
        letter = bytes([65 + number % 26])
        for _ in range(20):
            file = await giambio.open_file(path, "wb")
            with giambio.move_on_after(0.001):
                await file.write(letter * 100_000)
                await file.write(letter * 200_000)
            if number % 2:
                await file.close()
            else:
                file.close_now()
            assert set(path.read_bytes()) <= set(letter)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for number in range(30):
                manager.start_soon(write, number)

    run(main)
    for number in range(30):
        assert set((tmp_path / str(number)).read_bytes()) <= {65 + number % 26}
