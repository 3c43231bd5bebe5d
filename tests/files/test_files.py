"""Files: the standard API made async, the same by each of the three routes.

Each test runs with each route forced, on a disk and in memory.
"""

from __future__ import annotations

import array
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.files import disk_or_memory, forced_route, until  # noqa: F401  # fixtures

pytestmark = pytest.mark.usefixtures("route")

Run = Callable[..., Any]


# -- reading ------------------------------------------------------------------------------


def test_read_gives_all_that_is_left(run: Run, place: Path) -> None:
    """Rule 17.2: the standard file API made async."""
    path = place / "file"
    path.write_bytes(b"0123456789")

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await file.read(4) == b"0123"
            assert await file.read() == b"456789"
            assert await file.read() == b""
            assert await file.read(1) == b""

    run(main)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 3_000_000])
def test_every_byte_arrives_whatever_the_size(run: Run, place: Path, size: int) -> None:
    path = place / "file"
    data = os.urandom(size)
    path.write_bytes(data)

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await file.read() == data
            await file.seek(0)
            assert await file.read(size + 1) == data
            await file.seek(0)
            pieces = []
            while piece := await file.read(10_000):
                pieces.append(piece)
            assert b"".join(pieces) == data
            assert all(len(piece) == 10_000 for piece in pieces[:-1])

    run(main)


def test_read_zero_reads_nothing(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"data")

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await file.read(0) == b""
            assert await file.read(None) == b"data"

    run(main)


def test_what_was_appended_after_the_end_is_read_next(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"one")

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await file.read(100) == b"one"
            with open(path, "ab") as other:
                other.write(b"two")
            assert await file.read(100) == b"two"

    run(main)


def test_readline_and_iteration_give_lines_with_their_ends(run: Run, place: Path) -> None:
    path = place / "file"
    lines = [b"one\n", b"\n", b"three\n", b"x" * 200_000 + b"\n", b"no end"]
    path.write_bytes(b"".join(lines))

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await file.readline() == b"one\n"
            assert [line async for line in file] == lines[1:]
            assert await file.readline() == b""
            await file.seek(0)
            assert await file.readlines() == lines
            await file.seek(0)
            assert await file.readlines(3) == lines[:1]
            assert await file.readlines(6) == lines[1:3]

    run(main)


def test_readline_stops_at_its_limit(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"0123456789\nnext\n")

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await file.readline(4) == b"0123"
            assert await file.readline(0) == b""
            assert await file.readline(100) == b"456789\n"

    run(main)


def test_readinto_fills_a_buffer(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"0123456789")

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            buffer = bytearray(4)
            assert await file.readinto(buffer) == 4
            assert buffer == b"0123"
            numbers = array.array("H", [0, 0])
            assert await file.readinto(numbers) == 4
            assert numbers.tobytes() == b"4567"
            assert await file.readinto(memoryview(buffer)[1:]) == 2
            assert buffer == b"0893"
            with pytest.raises(TypeError, match="needs a writable buffer, not bytes"):
                await file.readinto(b"1234")

    run(main)


def test_receive_gives_what_there_is(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"0123456789")

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert isinstance(file, giambio.ReceiveStream)
            assert await file.receive(3) == b"012"
            assert await file.receive() == b"3456789"
            assert await file.receive() == b""
            with pytest.raises(ValueError, match="from 1 up"):
                await file.receive(0)

    run(main)


def test_a_buffered_stream_reads_from_a_file(run: Run, place: Path) -> None:
    """Rule 17.1: what honours the interfaces fits everywhere."""
    path = place / "file"
    path.write_bytes(b"head\nbody")

    async def main() -> None:
        async with giambio.BufferedStream(await giambio.open_file(path, "rb")) as stream:
            assert await stream.receive_line() == b"head\n"
            assert await stream.receive_exactly(4) == b"body"

    run(main)


# -- writing ------------------------------------------------------------------------------


def test_written_is_what_is_on_the_disk_after_closing(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            assert await file.write(b"one") == 3
            assert await file.write(bytearray(b"two")) == 3
            assert await file.write(memoryview(b"_three_")[1:6]) == 5
            assert await file.write(array.array("H", [0x4141])) == 2
            assert path.read_bytes() == b""
            await file.flush()
            assert path.read_bytes() == b"onetwothreeAA"
            await file.write(b"end")
        assert path.read_bytes() == b"onetwothreeAAend"

    run(main)


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 3_000_000])
def test_every_byte_is_written_whatever_the_size(run: Run, place: Path, size: int) -> None:
    path = place / "file"
    data = os.urandom(size)

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            await file.write(b"before")
            assert await file.write(data) == size
            await file.write(b"after")

    run(main)
    assert path.read_bytes() == b"before" + data + b"after"


def test_what_fills_the_buffer_is_written_by_itself(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb", buffering=10) as file:
            await file.write(b"12345")
            await file.write(b"67890")
            assert path.read_bytes() == b""
            await file.write(b"!")
            assert path.read_bytes() == b"1234567890"

    run(main)


def test_writelines_adds_no_ends(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            await file.writelines(bytes([65 + n]) for n in range(5))

    run(main)
    assert path.read_bytes() == b"ABCDE"


def test_send_all_is_on_the_disk_at_once(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            assert isinstance(file, giambio.SendStream)
            await file.write(b"one ")
            await file.send_all(b"two")
            assert path.read_bytes() == b"one two"

    run(main)


def test_fsync_flushes(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            await file.write(b"data")
            await file.fsync()
            assert path.read_bytes() == b"data"

    run(main)


def test_appending_goes_to_the_end_wherever_we_are(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"one ")

    async def main() -> None:
        async with await giambio.open_file(path, "ab+") as file:
            assert await file.tell() == 4
            await file.seek(0)
            assert await file.read(2) == b"on"
            await file.write(b"two ")
            with open(path, "ab") as other:
                other.write(b"three ")
            await file.flush()
            assert await file.tell() == 14
            await file.seek(0)
            assert await file.read() == b"one three two "

    run(main)


def test_appending_from_many_files_at_once_tears_no_record(run: Run, place: Path) -> None:
    """Rule 17.2: appending is the system's affair (`O_APPEND`)."""
    path = place / "log"

    async def write(writer: int) -> None:
        async with await giambio.open_file(path, "a") as file:
            for number in range(50):
                await file.write(f"{writer} {number} {'x' * 100}\n")
                await file.flush()
            await file.write(f"{writer} large {'y' * 2_000_000}\n")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for writer in range(4):
                manager.start_soon(write, writer)

    run(main)
    lines = path.read_text().splitlines()
    expected = [f"{writer} {number} {'x' * 100}" for writer in range(4) for number in range(50)]
    expected += [f"{writer} large {'y' * 2_000_000}" for writer in range(4)]
    assert sorted(lines) == sorted(expected)


def test_tasks_that_share_a_file_write_one_after_another(run: Run, place: Path) -> None:
    """Each `write` stays in one piece, also where it has to wait for the disk."""
    path = place / "log"

    async def write(file: Any, letter: bytes) -> None:
        for _ in range(20):
            await file.write(letter * 70_000)

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file, giambio.TaskManager() as manager:
            for letter in (b"a", b"b", b"c"):
                manager.start_soon(write, file, letter)

    run(main)
    data = path.read_bytes()
    assert len(data) == 3 * 20 * 70_000
    records = [data[start : start + 70_000] for start in range(0, len(data), 70_000)]
    assert all(len(set(record)) == 1 for record in records)


# -- the position -------------------------------------------------------------------------


def test_a_cancelled_seek_has_not_moved(run: Run, place: Path) -> None:
    """Rule 4.2: a cancellation that is pending comes before what could be done at once."""
    (place / "file").write_bytes(b"0123456789")

    async def main() -> None:
        async with await giambio.open_file(place / "file", "rb") as file:
            await file.seek(4)
            with giambio.CancelScope() as scope:
                scope.cancel()
                await file.seek(8)
            assert scope.cancelled_caught
            assert await file.read(1) == b"4"

    run(main)


def test_seek_finds_what_was_read_ahead_and_what_was_written(run: Run, place: Path) -> None:
    """Rule 17.2: the position counts what is in the buffers."""
    (place / "file").write_bytes(b"0123456789")

    async def main() -> None:
        async with await giambio.open_file(place / "file", "rb+") as file:
            assert await file.read(2) == b"01"
            assert await file.seek(1) == 1
            assert await file.read(1) == b"1"
            assert await file.write(b"x") == 1
            assert await file.seek(0) == 0
            assert await file.read() == b"01x3456789"

    run(main)


def test_seek_and_tell(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"0123456789")

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await file.seek(4) == 4
            assert await file.read(2) == b"45"
            assert await file.tell() == 6
            assert await file.seek(-2, os.SEEK_CUR) == 4
            assert await file.seek(-1, os.SEEK_END) == 9
            assert await file.read() == b"9"
            assert await file.seek(100) == 100
            assert await file.read() == b""
            with pytest.raises(OSError, match="Invalid argument"):
                await file.seek(-1)
            with pytest.raises(OSError, match="Invalid argument"):
                await file.seek(-11, os.SEEK_END)
            assert await file.tell() == 100
            with pytest.raises(ValueError, match="whence must be 0, 1 or 2, not 5"):
                await file.seek(0, 5)

    run(main)


def test_reading_and_writing_in_turn(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"0123456789")

    async def main() -> None:
        async with await giambio.open_file(path, "rb+") as file:
            assert await file.read(3) == b"012"
            await file.write(b"ABC")
            assert await file.tell() == 6
            assert await file.read(2) == b"67"
            await file.seek(1)
            await file.write(b"x")
            assert await file.readline() == b"2ABC6789"

    run(main)
    assert path.read_bytes() == b"0x2ABC6789"


def test_truncate_cuts_off_where_we_are(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"0123456789")

    async def main() -> None:
        async with await giambio.open_file(path, "rb+") as file:
            await file.read(3)
            assert await file.truncate() == 3
            assert path.read_bytes() == b"012"
            assert await file.truncate(5) == 5
            assert path.read_bytes() == b"012\0\0"
            assert await file.tell() == 3
            assert await file.read() == b"\0\0"
            await file.write(b"!")
            assert await file.truncate() == 6
        assert path.read_bytes() == b"012\0\0!"

    run(main)


def test_a_child_process_goes_on_where_we_are(run: Run, place: Path) -> None:
    """The position is the descriptor's own, and so that of whoever inherits it."""
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            await file.write(b"before ")
            await file.flush()
            subprocess.run([sys.executable, "-c", "print('child')"], stdout=file, check=True)
            await file.write(b"after")

    run(main)
    assert path.read_bytes() == b"before child\nafter"


# -- unbuffered ---------------------------------------------------------------------------


def test_unbuffered_writes_are_on_the_disk_at_once(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb+", buffering=0) as file:
            assert await file.write(b"one\ntwo\n") == 8
            assert path.read_bytes() == b"one\ntwo\n"
            assert await file.write(b"") == 0
            await file.seek(0)
            assert await file.read(2) == b"on"
            assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 2
            assert await file.readline() == b"e\n"
            assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 4
            assert await file.read() == b"two\n"
            assert await file.read(5) == b""

    run(main)


# -- opening ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["r", "rb", "r+", "rb+"])
def test_a_file_that_is_not_there(run: Run, place: Path, mode: str) -> None:
    path = str(place / "missing")

    async def main() -> None:
        with pytest.raises(FileNotFoundError) as caught:
            await giambio.open_file(path, mode)
        assert (caught.value.errno, caught.value.filename) == (2, path)

    run(main)


def test_x_refuses_a_file_that_is_there(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "x") as file:
            await file.write("mine")
        with pytest.raises(FileExistsError):
            await giambio.open_file(path, "x")

    run(main)
    assert path.read_text() == "mine"


def test_a_folder_is_no_file(run: Run, place: Path) -> None:
    async def main() -> None:
        with pytest.raises(IsADirectoryError, match="Is a directory"):
            await giambio.open_file(place)
        with pytest.raises(IsADirectoryError, match="Is a directory"):
            await giambio.open_file(place, "w")

    run(main)


def test_new_files_have_the_rights_that_open_gives(run: Run, place: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file(place / "ours", "w"):
            pass

    before = os.umask(0o027)
    try:
        run(main)
        with open(place / "theirs", "w"):
            pass
    finally:
        os.umask(before)
    assert (place / "ours").stat().st_mode == (place / "theirs").stat().st_mode


def test_names_of_every_kind_are_taken(run: Run, place: Path) -> None:
    name = str(place / "n\udcffäme")

    async def main() -> None:
        for path in (name, os.fsencode(name), Path(name), giambio.Path(name)):
            async with await giambio.open_file(path, "a") as file:
                assert file.name == os.fspath(path)
                await file.write("x")
        with pytest.raises(ValueError, match=r"embedded null (byte|character)"):
            await giambio.open_file("a\0b")
        with pytest.raises(TypeError, match="needs a path or a descriptor, not None"):
            await giambio.open_file(None)  # type: ignore[call-overload]

    run(main)
    assert Path(name).read_text() == "xxxx"


def test_a_relative_path_is_taken_from_the_working_folder(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    (place / "file").write_text("here")

    async def main() -> None:
        async with await giambio.open_file("file") as file:
            assert await file.read() == "here"

    run(main)


def test_a_descriptor_belongs_to_the_file_that_is_made_of_it(run: Run, place: Path) -> None:
    (place / "file").write_bytes(b"data")

    async def main() -> None:
        fd = os.open(place / "file", os.O_RDONLY)
        async with await giambio.open_file(fd, "rb") as file:
            assert (file.name, file.fileno()) == (fd, fd)
            assert await file.read() == b"data"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
        with pytest.raises(OSError, match="Bad file descriptor"):
            await giambio.open_file(fd, "rb")

    run(main)


def test_what_it_is(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "w+", encoding="latin-1") as file:
            assert (file.name, file.mode, file.encoding, file.errors) == (
                str(path),
                "w+",
                "latin-1",
                "strict",
            )
            assert (file.readable(), file.writable(), file.seekable()) == (True, True, True)
            assert not file.isatty()
            assert not file.closed
            assert not os.get_inheritable(file.fileno())
            assert repr(file) == f"<giambio.AsyncFile {str(path)!r} mode 'w+'>"
        assert file.closed
        assert repr(file) == f"<giambio.AsyncFile {str(path)!r} mode 'w+' closed>"
        async with await giambio.open_file(path, "rb") as binary:
            assert (binary.encoding, binary.errors, binary.newlines) == (None, None, None)
            assert (binary.readable(), binary.writable()) == (True, False)

    run(main)


@pytest.mark.parametrize(
    "mode", ["", "z", "rw", "r++", "rr", "+", "b", "rU", "rbt", "rab", "r ", "tb"]
)
def test_a_mode_that_makes_no_sense_is_refused(run: Run, place: Path, mode: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="mode"):
            await giambio.open_file(place / "file", mode)

    run(main)
    assert not (place / "file").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "wb", "encoding": "utf-8"}, ValueError, "binary mode takes no encoding="),
        ({"mode": "wb", "errors": "strict"}, ValueError, "binary mode takes no errors="),
        ({"mode": "wb", "newline": "\n"}, ValueError, "binary mode takes no newline="),
        ({"mode": "w", "buffering": 0}, ValueError, "text cannot be unbuffered"),
        ({"mode": "w", "buffering": "big"}, TypeError, "buffering needs to be a whole number"),
        ({"mode": "w", "encoding": "klingon"}, LookupError, "unknown encoding: klingon"),
        ({"mode": "w", "newline": "x"}, ValueError, "illegal newline value: x"),
        ({"mode": 5}, TypeError, "mode needs to be a str such as 'r', not 5"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_file_is_touched(
    run: Run, place: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    path = place / "file"
    path.write_text("precious")

    async def main() -> None:
        with pytest.raises(error, match=message):
            await giambio.open_file(path, **options)

    run(main)
    assert path.read_text() == "precious"


def test_binary_line_buffering_warns_as_in_open(run: Run, place: Path) -> None:
    async def main() -> None:
        with pytest.warns(RuntimeWarning, match="binary mode has no lines"):
            file = await giambio.open_file(place / "file", "wb", buffering=1)
        await file.close()

    run(main)


# -- what cannot be done ------------------------------------------------------------------


def test_reading_what_is_for_writing_and_the_reverse(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "wb") as file:
            for call in (file.read, file.readline, file.readlines, file.receive):
                with pytest.raises(io.UnsupportedOperation, match="not readable"):
                    await call()
            with pytest.raises(io.UnsupportedOperation, match="not readable"):
                await file.readinto(bytearray(1))
        async with await giambio.open_file(path, "rb") as file:
            with pytest.raises(io.UnsupportedOperation, match=r"write: .* reading only"):
                await file.write(b"x")
            with pytest.raises(io.UnsupportedOperation, match=r"send_all: .* reading only"):
                await file.send_all(b"x")
            with pytest.raises(io.UnsupportedOperation, match=r"truncate: .* reading only"):
                await file.truncate()
            await file.flush()

    run(main)


@pytest.mark.parametrize("value", ["text", None, 5, 1.5])
def test_only_bytes_are_written_to_a_binary_file(run: Run, place: Path, value: Any) -> None:
    async def main() -> None:
        async with await giambio.open_file(place / "file", "wb") as file:
            with pytest.raises(TypeError, match="bytes-like object is required"):
                await file.write(value)

    run(main)
    assert (place / "file").read_bytes() == b""


@pytest.mark.parametrize("value", ["4", 1.5, b"4"])
def test_only_whole_numbers_are_sizes(run: Run, place: Path, value: Any) -> None:
    (place / "file").write_bytes(b"data")

    async def main() -> None:
        async with await giambio.open_file(place / "file", "rb") as file:
            with pytest.raises(TypeError, match=r"read\(\) needs a whole number, not"):
                await file.read(value)
            with pytest.raises(TypeError, match=r"readline\(\) needs a whole number, not"):
                await file.readline(value)

    run(main)


def test_a_closed_file_says_so(run: Run, place: Path) -> None:
    """Rules 5.11, 15.17: a closed file says so; closing it again is harmless."""
    path = place / "file"

    async def main() -> None:
        for mode in ("wb+", "w+"):
            file = await giambio.open_file(path, mode)
            await file.close()
            for call in (
                file.read,
                lambda file=file: file.read(5),
                file.readline,
                file.readlines,
                file.flush,
                file.fsync,
                file.tell,
                file.truncate,
                lambda file=file: file.seek(0),
                lambda file=file: file.write(b"x"),
                file.__anext__,
            ):
                with pytest.raises(giambio.ClosedResourceError, match="this file is closed; open"):
                    await call()
            for ask in (file.fileno, file.isatty, file.readable, file.writable, file.seekable):
                with pytest.raises(giambio.ClosedResourceError, match="this file is closed; open"):
                    ask()
            await file.close()

    run(main)


def test_with_instead_of_async_with_says_so(run: Run, place: Path) -> None:
    """Rule 19.1: the error says `async with`."""

    async def main() -> None:
        file = await giambio.open_file(place / "file", "w")
        with (
            pytest.raises(TypeError, match="an AsyncFile is entered with `async with`, not `with`"),
            file,
        ):
            pass
        await file.close()

    run(main)


@pytest.mark.parametrize("args", [(), (3,), ("name",)])
def test_its_class_makes_no_file(args: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 19.1: the error says what does, and nothing follows when it is deleted."""
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with pytest.raises(TypeError, match=r"^AsyncFile is made by giambio\.open_file\(\)"):
        giambio.AsyncFile(*args)
    assert unraisable == []


def test_a_file_belongs_to_its_loop(run: Run, place: Path) -> None:
    async def make() -> giambio.AsyncFile[bytes]:
        return await giambio.open_file(place / "file", "wb+")

    file = run(make)

    async def use() -> None:
        with pytest.raises(RuntimeError, match="belongs to another loop"):
            await file.read()
        with pytest.raises(RuntimeError, match="belongs to another loop"):
            await file.close()

    run(use)
    file.close_now()


# -- without waiting ----------------------------------------------------------------------


def test_others_run_while_a_large_file_is_read(run: Run, place: Path) -> None:
    """Rule 4.8: a busy task cannot starve the others."""
    path = place / "file"
    path.write_bytes(bytes(32 << 20))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await giambio.checkpoint()
            turns += 1

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            counter = manager.start_soon(count)
            async with await giambio.open_file(path, "rb") as file:
                assert len(await file.read()) == 32 << 20
            counter.cancel()

    run(main)
    assert turns >= 4


def test_reading_line_by_line_lets_others_run(run: Run, place: Path) -> None:
    """Rule 4.8: a busy task cannot starve the others."""
    path = place / "file"
    path.write_bytes(b"line\n" * 1000)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await giambio.checkpoint()
            turns += 1

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            counter = manager.start_soon(count)
            async with await giambio.open_file(path, "rb") as file:
                async for _ in file:
                    pass
            counter.cancel()

    run(main)
    assert turns >= 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_named_pipe_is_a_file_too(run: Run, place: Path) -> None:
    path = place / "pipe"
    os.mkfifo(path)

    def other_side() -> None:
        with open(path, "wb", buffering=0) as writer:
            writer.write(b"one\ntw")
            writer.write(b"o\n")

    async def main() -> None:
        thread = threading.Thread(target=other_side)
        thread.start()
        async with await giambio.open_file(path) as file:
            assert not file.seekable()
            assert [line async for line in file] == ["one\n", "two\n"]
            assert await file.read() == ""
            with pytest.raises(OSError, match="Illegal seek"):
                await file.tell()
        await until(lambda: not thread.is_alive())

    run(main)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_writing_to_a_named_pipe_waits_for_the_reader(run: Run, place: Path) -> None:
    path = place / "pipe"
    os.mkfifo(path)
    data = os.urandom(1_000_000)
    received: list[bytes] = []

    def other_side() -> None:
        with open(path, "rb") as reader:
            received.append(reader.read())

    async def main() -> None:
        thread = threading.Thread(target=other_side)
        thread.start()
        async with await giambio.open_file(path, "wb") as file:
            await file.write(data)
        await until(lambda: not thread.is_alive())

    run(main)
    assert received == [data]


def test_special_files(run: Run, place: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file("/dev/zero", "rb") as zeros:
            assert await zeros.read(100_000) == bytes(100_000)
        async with await giambio.open_file("/dev/null", "r+b", buffering=0) as null:
            assert await null.write(b"gone") == 4
            assert await null.read(4) == b""

    run(main)
