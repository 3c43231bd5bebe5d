"""Routes to the data of a file: chosen automatically, counted, and reported by `build_info`."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.drivers.nowait import MOST
from giambio.files import file_routes
from support.files import (
    SHARED_MEMORY,
    disk_or_memory,  # noqa: F401  # a fixture
    drop_from_cache,
    only,
    skip_without_ring,
    used,
)
from support.threads import threads_since

Run = Callable[..., Any]
COMPILED = giambio.build_info().build == "compiled"


def needs_page_cache(path: Path) -> None:
    """Skip where the file system does not tell what is in its cache."""
    path.write_bytes(b"x")
    fd = os.open(path, os.O_RDONLY)
    try:
        os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT)
    except (OSError, AttributeError) as exc:
        pytest.skip(f"the page cache cannot be asked here: {exc}")
    finally:
        os.close(fd)


def test_a_thousand_cached_reads_start_no_thread_and_no_request(run: Run, tmp_path: Path) -> None:
    """Rule 17.3: 1 000 reads of a cached 4 KiB file."""
    path = tmp_path / "file"
    needs_page_cache(path)
    data = os.urandom(4096)
    path.write_bytes(data)

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            threads = threading.enumerate()
            before = file_routes.routes()
            for _ in range(1000):
                await file.seek(0)
                assert await file.read(4096) == data
            assert used(before, "page cache").reads == 1000
            assert used(before, "io_uring")[2:] == (0, 0)
            assert used(before, "worker threads")[2:] == (0, 0)
            assert not threads_since(threads)

    run(main)


@pytest.mark.skipif(not COMPILED, reason="Python has no openat2, with which files are opened so")
def test_a_thousand_cached_files_start_no_thread_and_no_request(run: Run, tmp_path: Path) -> None:
    """Opening and closing what is in the caches needs no waiting either."""
    path = tmp_path / "file"
    needs_page_cache(path)
    data = os.urandom(4096)
    path.write_bytes(data)

    async def main() -> None:
        threads = threading.enumerate()
        before = file_routes.routes()
        for _ in range(1000):
            async with await giambio.open_file(path, "rb") as file:
                assert await file.read() == data
            assert await giambio.Path(path).read_bytes() == data
        assert used(before, "page cache").reads >= 2000
        assert used(before, "page cache").others == 2000
        assert used(before, "io_uring")[2:] == (0, 0)
        assert used(before, "worker threads")[2:] == (0, 0)
        assert not threads_since(threads)

    run(main)


def test_lines_and_text_come_from_the_page_cache_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    needs_page_cache(path)
    path.write_text("line\n" * 100_000)

    async def main() -> None:
        async with await giambio.open_file(path) as file:
            before = file_routes.routes()
            assert len([line async for line in file]) == 100_000
            assert used(before, "page cache").reads >= 7
            assert used(before, "io_uring").reads == 0
            assert used(before, "worker threads").reads == 0

    run(main)


def test_uncached_reads_go_through_io_uring(run: Run, tmp_path: Path) -> None:
    """Rule 17.4: uncached reads show in io_uring's counter."""
    skip_without_ring()
    path = tmp_path / "file"
    data = os.urandom(1 << 20)
    path.write_bytes(data)

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            before = file_routes.routes()
            for _ in range(10):
                drop_from_cache(path)
                await file.seek(0)
                assert await file.read() == data
            assert used(before, "io_uring").reads > 0
            assert used(before, "worker threads").reads == 0

    run(main)


def test_without_io_uring_uncached_reads_go_through_a_thread(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = os.urandom(1 << 20)
    path.write_bytes(data)

    async def main() -> None:
        with only("page cache"):
            async with await giambio.open_file(path, "rb") as file:
                before = file_routes.routes()
                for _ in range(10):
                    drop_from_cache(path)
                    await file.seek(0)
                    assert await file.read() == data
                assert used(before, "io_uring").reads == 0
                assert used(before, "worker threads").reads > 0

    run(main)


def test_a_ring_set_up_at_the_second_attempt_moves_the_position(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """io_uring may be unavailable for a moment, and then the position is the thread's."""
    skip_without_ring()
    path = place / "file"
    path.write_bytes(b"0123456789")
    new_ring = file_routes.new_ring
    failures = 0

    def fail_at_first() -> Any:
        nonlocal failures
        failures -= 1
        return None if failures >= 0 else new_ring()

    async def read() -> None:
        nonlocal failures
        async with await giambio.open_file(path, "rb", 0) as file:
            failures = 1
            assert (await file.read(3), await file.read(3)) == (b"012", b"345")
            assert await file.tell() == 6

    async def write() -> None:
        nonlocal failures
        async with await giambio.open_file(path, "r+b", 0) as file:
            failures = 1
            await file.write(b"AAA")
            await file.write(b"BBB")

    monkeypatch.setattr(file_routes, "new_ring", fail_at_first)
    for main in (read, write):
        with only("io_uring"):
            failures = 1000
            run(main)
    assert path.read_bytes() == b"AAABBB6789"


def test_a_file_system_that_refuses_is_asked_once(run: Run) -> None:
    """tmpfs answers `EOPNOTSUPP` to `RWF_NOWAIT`; that is remembered for the file."""
    if not os.access(SHARED_MEMORY, os.W_OK):
        pytest.skip(f"there is no {SHARED_MEMORY}")
    path = Path(SHARED_MEMORY, f"giambio-{os.getpid()}")
    path.write_bytes(bytes(1000))

    async def main() -> None:
        from giambio.drivers import nowait

        async with await giambio.open_file(path, "rb", buffering=0) as file:
            before = file_routes.routes()
            how = [file._file.how]
            for _ in range(10):
                assert await file.read(10) == bytes(10)
                how.append(file._file.how)
            if how[-1] == nowait.NOWAIT:
                pytest.skip("this system's tmpfs does not refuse")
            assert how == [nowait.NOWAIT] + [nowait.NEVER] * 10
            reads = used(before, "io_uring").reads + used(before, "worker threads").reads
            assert (reads, used(before, "page cache").reads) == (10, 0)

    try:
        run(main)
    finally:
        path.unlink()


def test_build_info_tells_of_the_routes(run: Run, tmp_path: Path) -> None:
    """Rule 17.5: chosen automatically, counted and visible in `build_info()`."""
    before = giambio.build_info().files
    assert [route.name for route in before] == ["page cache", "io_uring", "worker threads"]
    assert all(isinstance(route, giambio.FileRoute) for route in before)
    if not COMPILED:
        assert before[1].problem == "the pure build does not use it"

    async def main() -> None:
        async with await giambio.open_file(tmp_path / "file", "w") as file:
            await file.write("x")

    run(main)
    served = [
        sum(route.reads + route.others for route in files)
        for files in (before, giambio.build_info().files)
    ]
    assert served[1] > served[0]


def test_build_info_works_before_any_loop() -> None:
    code = "import giambio; print(*(route[2:] for route in giambio.build_info().files))"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "(0, 0) (0, 0) (0, 0)\n"


def test_many_files_at_once(run: Run, place: Path) -> None:
    """More requests than the ring has entries, and more than there are worker threads."""
    for number in range(300):
        path = place / str(number)
        path.write_bytes(str(number).encode() * 1000)
        drop_from_cache(path)

    async def read(number: int) -> bytes:
        async with await giambio.open_file(place / str(number), "rb") as file:
            return await file.read()

    async def main() -> None:
        found = await giambio.map_concurrent(read, range(300), limit=300)
        assert found == [str(number).encode() * 1000 for number in range(300)]

    run(main)


# -- without threads -------------------------------------------------------------------------


def test_without_threads_io_uring_does_it_all(run: Run, place: Path) -> None:
    """Rules 13.7, 17.4: without threads io_uring does it all."""
    skip_without_ring()
    path = place / "file"

    async def main() -> None:
        threads = threading.enumerate()
        async with await giambio.open_file(path, "w+b") as file:
            await file.write(b"data" * 100_000)
            await file.fsync()
            await file.seek(-4, os.SEEK_END)
            assert await file.read() == b"data"
            with pytest.raises(RuntimeError, match="truncating a file needs a worker thread, and"):
                await file.truncate(5)
        drop_from_cache(path)
        assert await giambio.Path(path).read_bytes() == b"data" * 100_000
        assert await giambio.Path(path).exists()
        assert not threads_since(threads)

    run(main, threads=False)


def test_without_threads_and_io_uring_it_is_an_error(run: Run, place: Path) -> None:
    """Rule 13.7: ``threads=False`` makes them errors."""

    async def main() -> None:
        with pytest.raises(
            RuntimeError, match=r"opening a file needs a worker thread.*threads=Fal"
        ):
            await giambio.open_file(place / "file", "w")
        with pytest.raises(RuntimeError, match="asking about a file needs a worker thread"):
            await giambio.Path(place).exists()
        with pytest.raises(RuntimeError, match=r"mkdir\(\) needs a worker thread"):
            await giambio.Path(place / "folder").mkdir()

    with only("worker"):
        run(main, threads=False)


def test_what_is_open_is_closed_without_threads_too(run: Run, place: Path) -> None:
    fd = os.open(place / "file", os.O_RDWR | os.O_CREAT)

    async def main() -> None:
        file = await giambio.open_file(fd, "wb")
        await file.write(b"data")
        match = "writing a file needs a worker thread"
        with only("worker"), pytest.raises(RuntimeError, match=match) as caught:
            await file.close()
        assert caught.value.__notes__ == [f"4 bytes for {fd} were not written"]

    run(main, threads=False)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


# -- where the system forbids it -------------------------------------------------------------

FORBID = """
import ctypes, os, struct, sys

def forbid(numbers, error):
    # A seccomp filter, as containers have one: these system calls end with this error.
    program = [(0x20, 0, 0, 0)]                       # load the number of the call
    for left, number in zip(range(len(numbers), 0, -1), numbers):
        program.append((0x15, left, 0, number))       # equal: jump to the last instruction
    program += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | error)]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    filter = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.create_string_buffer(filter)) == 0, ctypes.get_errno()
"""
USE = """
import giambio

async def main(path):
    async with await giambio.open_file(path, "w+b") as file:
        await file.write(b"data" * 10000)
        await file.fsync()
        await file.seek(0)
        assert await file.read() == b"data" * 10000
    assert await giambio.Path(path).read_text() == "data" * 10000

giambio.run(main, sys.argv[1])
for route in giambio.build_info().files:
    print(route.name, route.problem, route.reads > 0, route.others > 0, sep="|")
"""
ONLY_X86 = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="system calls have other numbers elsewhere",
)
SETUP, REGISTER, OPENAT2, PREADV2 = 425, 427, 437, 327


def run_with(forbidden: str, path: Path) -> list[list[str]]:
    """Use files in a process in which system calls are forbidden; what `build_info` says."""
    code = FORBID + forbidden + USE
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(path)], capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return [line.split("|") for line in ended.stdout.splitlines()]


@ONLY_X86
@pytest.mark.parametrize(
    ("number", "error", "reason"),
    [
        (SETUP, 1, "Operation not permitted (forbidden by kernel.io_uring_disabled"),
        (SETUP, 38, "this system has none, or one from before Linux 5.6"),
        (REGISTER, 1, "Operation not permitted"),
        (REGISTER, 38, "this system has none"),
    ],
)
def test_where_io_uring_is_forbidden_threads_take_over(
    tmp_path: Path, number: int, error: int, reason: str
) -> None:
    """Rule 17.4: containers often forbid io_uring."""
    if not COMPILED:
        pytest.skip("the pure build does not use it in any case")
    _, ring, workers = run_with(f"forbid([{number}], {error})\n", tmp_path / "file")
    assert ring[1].startswith(reason)
    assert ring[2:] == ["False", "False"]
    assert workers[3] == "True"


@ONLY_X86
@pytest.mark.parametrize("error", [1, 22, 38, 95])
def test_where_the_page_cache_cannot_be_asked_the_rest_works(tmp_path: Path, error: int) -> None:
    run_with(f"forbid([{OPENAT2}, {PREADV2}], {error})\n", tmp_path / "file")


@ONLY_X86
def test_where_all_is_forbidden_there_are_threads(tmp_path: Path) -> None:
    forbidden = f"forbid([{SETUP}, {OPENAT2}, {PREADV2}], 38)\n"
    cache, ring, workers = run_with(forbidden, tmp_path / "file")
    assert (cache[2:], ring[2:]) == (["False", "False"], ["False", "False"])
    assert workers[2:] == ["True", "True"]


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, MOST - 1, MOST, MOST + 1, 3 * MOST])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_the_rest_of_a_file_is_read_whatever_its_size(
    run: Run, tmp_path: Path, size: int, buffering: int
) -> None:
    """From its beginning, from further on, from behind what was read ahead, and from its end."""
    path = tmp_path / "file"
    data = os.urandom(size)
    path.write_bytes(data)

    async def main() -> None:
        async with await giambio.open_file(path, "rb", buffering) as file:
            assert await file.read() == data
            assert await file.read() == b""
            await file.seek(size // 3)
            assert await file.read() == data[size // 3 :]
            await file.seek(0)
            assert await file.read(10) == data[:10]
            assert await file.read() == data[10:]
            await file.seek(size + 5)
            assert await file.read() == b""

    run(main)


def test_a_file_that_grows_is_read_to_its_new_end(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await file.read() == b"first"
            with path.open("ab") as more:
                more.write(b"second" * 10_000)
            assert await file.read() == b"second" * 10_000

    run(main)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has files of no size")
def test_a_file_without_a_size_is_read_to_its_end(run: Run) -> None:
    """The system makes the contents of such a file when it is read."""

    async def main() -> None:
        async with await giambio.open_file("/proc/cpuinfo", "rb") as file:
            data = await file.read()
        assert data.count(b"\nprocessor\t") == Path("/proc/cpuinfo").read_bytes().count(
            b"\nprocessor\t"
        )
        assert data.endswith(b"\n\n")

    run(main)
