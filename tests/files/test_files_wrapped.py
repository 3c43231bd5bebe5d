"""`wrap_file`: other libraries' file objects, called in threads."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.files import until
from support.threads import threads_since

Run = Callable[..., Any]


def test_a_compressed_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file.gz"

    async def main() -> None:
        async with giambio.wrap_file(gzip.GzipFile(path, "wb")) as file:
            assert await file.write(b"one\ntwo\n") == 8
            await file.writelines([b"three\n"])
            await file.flush()
        async with giambio.wrap_file(gzip.open(path, "rt", encoding="utf-8")) as text:
            assert (text.encoding, text.errors) == ("utf-8", "strict")
            assert [line async for line in text] == ["one\n", "two\n", "three\n"]
            await text.seek(0)
            assert await text.readlines() == ["one\n", "two\n", "three\n"]
        async with giambio.wrap_file(gzip.open(path, "rb")) as file:
            assert await file.receive(3) == b"one"
            buffer = bytearray(5)
            assert await file.readinto(buffer) == 5
            assert buffer == b"\ntwo\n"
            assert await file.tell() == 8
            assert await file.seek(0, os.SEEK_SET) == 0
            assert await file.readline() == b"one\n"

    run(main)


def test_it_is_called_in_a_thread(run: Run) -> None:
    threads = []

    class File(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            threads.append(threading.current_thread().name)
            buffer[:1] = b"x"
            return 1

    async def main() -> None:
        async with giambio.wrap_file(File()) as file:
            assert await file.read(10) == b"x"

    run(main)
    assert all(name.startswith("giambio-") for name in threads)
    assert threads


def test_what_is_in_memory_is_called_on_the_spot(run: Run) -> None:
    async def main() -> None:
        threads = threading.enumerate()
        async with giambio.wrap_file(io.BytesIO()) as file:
            await file.send_all(b"data")
            await file.seek(0)
            assert await file.read() == b"data"
            assert await file.truncate(2) == 2
        async with giambio.wrap_file(io.StringIO("one\ntwo")) as text:
            assert [line async for line in text] == ["one\n", "two"]
        assert not threads_since(threads)

    run(main)


def test_what_it_is(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with giambio.wrap_file(open(tmp_path / "file", "w+")) as file:
            assert (file.name, file.mode) == (str(tmp_path / "file"), "w+")
            assert (file.readable(), file.writable(), file.seekable()) == (True, True, True)
            assert not file.isatty()
            assert file.fileno() > 0
            assert file.newlines is None
            await file.write("x")
            await file.fsync()
            assert (tmp_path / "file").read_text() == "x"
        assert file.closed
        with pytest.raises(giambio.ClosedResourceError):
            await file.read()
        with pytest.raises(giambio.ClosedResourceError):
            file.fileno()

    run(main)


def test_closing_it_beneath_us_closes_us(run: Run) -> None:
    async def main() -> None:
        inner = io.BytesIO()
        file = giambio.wrap_file(inner)
        inner.close()
        assert file.closed
        await file.close()

    run(main)


def test_a_forgotten_close_closes_it(run: Run) -> None:
    async def main() -> None:
        inner = io.BytesIO()
        file = giambio.wrap_file(inner)
        file.close()
        assert inner.closed

    run(main)


def test_a_forgotten_close_that_may_write_warns(run: Run, tmp_path: Path) -> None:
    """Rule 5.12: as with any file; what another library has in its buffers is not known."""
    path = tmp_path / "file.gz"

    async def main() -> None:
        file = giambio.wrap_file(gzip.GzipFile(path, "wb"))
        await file.write(b"data")
        with pytest.warns(RuntimeWarning, match="never awaited: its data was written at once"):
            file.close()
        giambio.wrap_file(gzip.GzipFile(path)).close()
        assert gzip.decompress(path.read_bytes()) == b"data"

    run(main)


def test_its_calls_are_made_one_after_another(run: Run) -> None:
    """A file object is not made for several threads."""
    inside = 0
    most = 0
    go_on = threading.Event()

    class File:
        def read(self, size: int) -> bytes:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            go_on.wait(20)
            inside -= 1
            return b""

        def close(self) -> None:
            pass

    async def main() -> None:
        file = giambio.wrap_file(File())
        async with giambio.TaskManager() as manager:
            for _ in range(5):
                manager.start_soon(file.read)
            await until(lambda: inside == 1)
            go_on.set()
        await file.close()

    run(main)
    assert most == 1


def test_the_files_own_errors_come_out(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"not gzip")

    async def main() -> None:
        async with giambio.wrap_file(gzip.open(tmp_path / "file", "rb")) as file:
            with pytest.raises(gzip.BadGzipFile):
                await file.read()
            with pytest.raises(OSError, match="write"):
                await file.write(b"x")

    run(main)


def test_what_is_no_file_is_refused(run: Run) -> None:
    """Rule 19.1: the error names the mistake."""

    async def main() -> None:
        async with giambio.wrap_file(io.BytesIO()) as file:
            for value in ("path", 5, None, file):
                with pytest.raises(TypeError, match="needs an ordinary file object, not"):
                    giambio.wrap_file(value)

    run(main)
    with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
        giambio.wrap_file(io.BytesIO())
