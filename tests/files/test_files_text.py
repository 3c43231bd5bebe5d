"""Text files: decoding, line ends and positions are those of Python's own text files."""

from __future__ import annotations

import io
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.files import disk_or_memory, forced_route  # noqa: F401  # fixtures

pytestmark = pytest.mark.usefixtures("route")

Run = Callable[..., Any]

TEXT = "one\nzwei: äöü\n三\n\U0001f600 four\n" * 3 + "end"
ENDS = "unix\nwindows\r\nold mac\rempty\n\r\n\r\rlast"
NEWLINES = [None, "", "\n", "\r", "\r\n"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1", "utf-7", "gb18030"]


def fits(encoding: str) -> str:
    """A text that an encoding can express."""
    return "one\näöü\nthree\n" * 3 if encoding == "latin-1" else TEXT


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_written_is_read_again(run: Run, place: Path, encoding: str) -> None:
    path = place / "file"
    text = fits(encoding)

    async def main() -> None:
        async with await giambio.open_file(path, "w", encoding=encoding) as file:
            for line in text.splitlines(keepends=True):
                assert await file.write(line) == len(line)
        with open(path, encoding=encoding) as theirs:
            assert theirs.read() == text
        async with await giambio.open_file(path, encoding=encoding) as file:
            assert await file.read() == text
            await file.seek(0)
            assert [line async for line in file] == text.splitlines(keepends=True)
            await file.seek(0)
            assert "".join([await file.read(1) for _ in range(len(text) + 1)]) == text

    run(main)


@pytest.mark.parametrize("newline", NEWLINES)
@pytest.mark.parametrize("buffering", [-1, 2, 3, 7])
def test_line_ends_are_translated_as_python_does(
    run: Run, place: Path, newline: str | None, buffering: int
) -> None:
    path = place / "file"
    path.write_bytes(ENDS.encode())

    async def main() -> None:
        with open(path, newline=newline) as theirs:
            expected = theirs.readlines()
            kinds = theirs.newlines
        async with await giambio.open_file(path, "r", buffering, newline=newline) as file:
            assert [line async for line in file] == expected
            assert file.newlines == kinds
            await file.seek(0)
            assert await file.readlines() == expected
            await file.seek(0)
            assert await file.read() == "".join(expected)

    run(main)


@pytest.mark.parametrize("newline", NEWLINES)
def test_line_ends_are_written_as_python_does(run: Run, place: Path, newline: str | None) -> None:
    text = "one\ntwo\r\nthree\rfour\n"

    async def main() -> None:
        async with await giambio.open_file(place / "ours", "w", newline=newline) as file:
            assert await file.write(text) == len(text)
        with open(place / "theirs", "w", newline=newline) as theirs:
            theirs.write(text)

    run(main)
    assert (place / "ours").read_bytes() == (place / "theirs").read_bytes()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("newline", [None, "", "\n"])
def test_tell_gives_what_seek_takes_at_every_place(
    run: Run, place: Path, encoding: str, newline: str | None
) -> None:
    path = place / "file"
    text = fits(encoding).replace("zwei", "zwei\r\n")
    with open(path, "w", encoding=encoding, newline="") as theirs:
        theirs.write(text)
    with open(path, encoding=encoding, newline=newline) as theirs:
        text = theirs.read()

    async def main() -> None:
        async with await giambio.open_file(path, encoding=encoding, newline=newline) as file:
            cookies = [await file.tell()]
            for letter in text:
                assert await file.read(1) == letter
                cookies.append(await file.tell())
            for number in [*range(len(text), -1, -7), 3, 0, 1]:
                assert await file.seek(cookies[number]) == cookies[number]
                assert await file.seek(await file.tell()) is not None  # to where we are
                assert await file.read() == text[number:]

    run(main)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("newline", [None, "", "\n"])
@pytest.mark.parametrize("buffering", [2, 7, 64])
def test_tell_gives_what_seek_takes_after_every_line(
    run: Run, place: Path, encoding: str, newline: str | None, buffering: int
) -> None:
    """Rule 17.2: also where a line came in several pieces, and the first ones are forgotten."""
    path = place / "file"
    text = fits(encoding).replace("zwei", "zwei\r\n")
    with open(path, "w", encoding=encoding, newline="") as theirs:
        theirs.write(text)
    with open(path, encoding=encoding, newline=newline) as theirs:
        lines = theirs.readlines()

    async def main() -> None:
        kinds: Any = {"buffering": buffering, "encoding": encoding, "newline": newline}
        async with await giambio.open_file(path, **kinds) as file:
            cookies = []
            for line in lines:
                cookies.append(await file.tell())
                assert await file.readline() == line
            for number in reversed(range(len(lines))):
                await file.seek(cookies[number])
                assert await file.readline(1) == lines[number][:1]
                assert await file.readline() == lines[number][1:]
                assert await file.readlines() == lines[number + 1 :]
                await file.seek(cookies[number])
                assert await file.readlines(1) == lines[number : number + 1]
                assert await file.tell() == [*cookies, await file.tell()][number + 1]

    run(main)


def test_lines_take_no_more_memory_than_what_is_read_ahead(run: Run, place: Path) -> None:
    """Rule 17.2: lines do not end where the pieces do that a file is read in."""
    path = place / "file"
    path.write_text(("x" * 100 + "\n") * 30_000)

    async def main() -> int:
        async with await giambio.open_file(path) as file:
            tracemalloc.start()
            try:
                assert len([None async for _ in file]) == 30_000
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert run(main) < 1_000_000


def test_python_understands_our_cookies_and_we_its_own(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_text(TEXT, encoding="utf-8")

    async def main() -> None:
        with open(path, encoding="utf-8") as theirs:
            async with await giambio.open_file(path, encoding="utf-8") as file:
                for size in (1, 9, 12, 20):
                    theirs.read(size)
                    assert await file.seek(theirs.tell()) == theirs.tell()
                    assert await file.read(3) == theirs.read(3)
                    theirs.seek(await file.tell())
                    assert await file.readline() == theirs.readline()

    run(main)


def test_places_in_text_that_cannot_be_sought(run: Run, place: Path) -> None:
    (place / "file").write_text("text")

    async def main() -> None:
        async with await giambio.open_file(place / "file") as file:
            with pytest.raises(io.UnsupportedOperation, match="only be sought by what tell"):
                await file.seek(1, os.SEEK_CUR)
            with pytest.raises(io.UnsupportedOperation, match="only be sought to its very end"):
                await file.seek(-1, os.SEEK_END)
            with pytest.raises(ValueError, match="negative seek position -1"):
                await file.seek(-1)
            with pytest.raises(ValueError, match="whence must be 0, 1 or 2, not 7"):
                await file.seek(0, 7)
            assert await file.seek(0, os.SEEK_END) == 4
            assert await file.seek(0, os.SEEK_CUR) == 4

    run(main)


def test_readline_stops_at_its_limit(run: Run, place: Path) -> None:
    (place / "file").write_text("äöüß\nnext\n", encoding="utf-8")

    async def main() -> None:
        async with await giambio.open_file(place / "file", encoding="utf-8") as file:
            assert await file.readline(2) == "äö"
            assert await file.readline(0) == ""
            assert await file.readline(3) == "üß\n"
            assert await file.readline(4) == "next"
            assert await file.readline(4) == "\n"
            assert await file.readline(4) == ""

    run(main)


def test_a_long_line(run: Run, place: Path) -> None:
    line = "ä" * 1_500_000 + "\n"
    (place / "file").write_text(line * 2, encoding="utf-8")

    async def main() -> None:
        async with await giambio.open_file(place / "file", encoding="utf-8") as file:
            assert await file.readline() == line
            assert [rest async for rest in file] == [line]

    run(main)


def test_readlines_stops_after_its_hint(run: Run, place: Path) -> None:
    (place / "file").write_text("1\n22\n333\n4444\n")

    async def main() -> None:
        async with await giambio.open_file(place / "file", buffering=2) as file:
            assert await file.readlines(4) == ["1\n", "22\n"]
            assert await file.readlines(1) == ["333\n"]
            assert await file.readlines(100) == ["4444\n"]
            assert await file.readlines() == []

    run(main)


def test_reading_and_then_writing_goes_on_where_the_reader_is(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_text("äää\nööö\nüüü\n", encoding="utf-8")

    async def main() -> None:
        async with await giambio.open_file(path, "r+", encoding="utf-8") as file:
            assert await file.readline() == "äää\n"
            await file.write("xxxxxx\n")
            assert await file.readline() == "üüü\n"
            await file.seek(0)
            await file.readline()
            assert await file.truncate() == 7

    run(main)
    assert path.read_text(encoding="utf-8") == "äää\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_a_byte_order_mark_stands_only_at_the_beginning(
    run: Run, place: Path, encoding: str
) -> None:
    async def main() -> None:
        for name, opener in (("ours", True), ("theirs", False)):
            for mode in ("w", "a", "a"):
                if opener:
                    async with await giambio.open_file(place / name, mode, -1, encoding) as file:
                        await file.write("text")
                else:
                    with open(place / name, mode, -1, encoding) as theirs:
                        theirs.write("text")
        async with await giambio.open_file(place / "ours", "r+", -1, encoding) as file:
            await file.seek(0, os.SEEK_END)
            await file.write("end")
            await file.seek(0)
            await file.write("begin")

    run(main)
    with open(place / "theirs", "r+", -1, encoding) as theirs:
        theirs.seek(0, os.SEEK_END)
        theirs.write("end")
        theirs.seek(0)
        theirs.write("begin")
    assert (place / "ours").read_bytes() == (place / "theirs").read_bytes()


def test_where_we_are_after_appending_is_the_end_of_the_file(run: Run, place: Path) -> None:
    """As in Python, also where what was appended is only written by the question."""
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "a+", encoding="utf-8") as file:
            await file.write("one")
            await file.seek(0)
            await file.write("two")
            assert await file.seek(0, os.SEEK_CUR) == 6
            assert await file.read() == ""
            await file.seek(0)
            assert await file.read() == "onetwo"

    run(main)


def test_line_buffering_flushes_at_each_line_end(run: Run, place: Path) -> None:
    path = place / "file"

    async def main() -> None:
        async with await giambio.open_file(path, "w", buffering=1) as file:
            await file.write("one")
            assert path.read_text() == ""
            await file.write(" two\nthree")
            assert path.read_text() == "one two\nthree"

    run(main)


def test_text_that_does_not_fit_the_encoding(run: Run, place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"good\nb\xffd\ngood\n")

    async def main() -> None:
        async with await giambio.open_file(path, encoding="utf-8") as file:
            for _ in range(2):
                with pytest.raises(UnicodeDecodeError, match="can't decode byte 0xff"):
                    await file.read()
            assert await file.tell() == 0
        async with await giambio.open_file(path, encoding="utf-8", errors="replace") as file:
            assert await file.read() == "good\nb\ufffdd\ngood\n"
        async with await giambio.open_file(path, "w", encoding="ascii") as file:
            await file.write("good")
            with pytest.raises(UnicodeEncodeError, match="can't encode character"):
                await file.write("ä")
            await file.write(" too")

    run(main)
    assert path.read_bytes() == b"good too"


def test_bytes_are_no_text(run: Run, place: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file(place / "file", "w+") as file:
            with pytest.raises(TypeError, match="needs a str in a text file, not bytes"):
                await file.write(b"bytes")
            for call in (lambda: file.readinto(bytearray(1)), file.receive):
                with pytest.raises(io.UnsupportedOperation, match="text file; open it with 'rb'"):
                    await call()
            with pytest.raises(io.UnsupportedOperation, match="text file; open it with 'wb'"):
                await file.send_all(b"bytes")

    run(main)


def test_the_default_encoding_is_pythons(run: Run, place: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file(place / "file", "w") as file:
            with open(place / "file") as theirs:
                assert (file.encoding, file.errors) == (theirs.encoding, theirs.errors)

    run(main)
