"""Temporary files and folders: deleted when their block is left, in any way."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.files import file_routes
from support.files import disk_or_memory, forced_route, used  # noqa: F401  # fixtures
from support.threads import threads_since

pytestmark = pytest.mark.usefixtures("route")

Run = Callable[..., Any]


def test_a_file_without_a_name(run: Run, place: Path) -> None:
    async def main() -> None:
        async with giambio.TemporaryFile(dir=place) as file:
            assert os.listdir(place) == []
            await file.write(b"data")
            await file.seek(0)
            assert await file.read() == b"data"
            assert (file.mode, file.name) == ("w+b", "<temporary file>")
        assert file.closed
        async with giambio.TemporaryFile("w+", encoding="latin-1", newline="", dir=place) as text:
            await text.write("ä\r\n")
            await text.seek(0)
            assert await text.read() == "ä\r\n"
            assert os.fstat(text.fileno()).st_size == 3

    run(main)
    assert os.listdir(place) == []


def test_a_file_with_a_name(run: Run, place: Path) -> None:
    async def main() -> None:
        async with giambio.NamedTemporaryFile(suffix=".s", prefix="p.", dir=place) as file:
            (name,) = os.listdir(place)
            assert file.name == str(place / name)
            assert (name[:2], name[-2:]) == ("p.", ".s")
            await file.write(b"data")
            await file.flush()
            assert Path(file.name).read_bytes() == b"data"
        assert os.listdir(place) == []
        async with giambio.NamedTemporaryFile("w", dir=place, delete=False) as kept:
            await kept.write("text")
        assert Path(kept.name).read_text() == "text"
        os.unlink(kept.name)
        with pytest.raises(FileNotFoundError):
            async with giambio.NamedTemporaryFile("w", dir=place) as file:
                os.unlink(file.name)

    run(main)


def test_a_folder_in_bytes_gives_a_name_in_bytes(run: Run, place: Path) -> None:
    async def main() -> None:
        folder: Any = os.fsencode(place)
        async with giambio.NamedTemporaryFile(dir=folder) as file:
            assert [file.name] == [os.path.join(folder, name) for name in os.listdir(folder)]
        assert os.listdir(place) == []
        async with giambio.TemporaryFile(dir=folder) as file:
            assert file.name == "<temporary file>"

    run(main)


def test_a_folder(run: Run, place: Path) -> None:
    async def main() -> None:
        async with giambio.TemporaryDirectory("s", "p", place) as folder:
            assert os.path.isdir(folder)
            assert os.path.dirname(folder) == str(place)
            os.makedirs(os.path.join(folder, "a", "b"))
            Path(folder, "a", "file").touch()
        assert os.listdir(place) == []

    run(main)


def test_they_are_gone_whatever_ends_the_block(run: Run, place: Path) -> None:
    """Rule 5.14: also in a cancelled scope."""

    async def main() -> None:
        makers: list[Callable[[], Any]] = [
            lambda: giambio.TemporaryFile(dir=place),
            lambda: giambio.NamedTemporaryFile(dir=place),
            lambda: giambio.TemporaryDirectory(dir=place),
            lambda: giambio.SpooledTemporaryFile(10, dir=place),
        ]
        for make in makers:
            with pytest.raises(KeyError):
                async with make():
                    raise KeyError
            with giambio.CancelScope() as scope:
                async with make():
                    scope.cancel()
                    await giambio.sleep_forever()
            assert scope.cancelled_caught
            with giambio.CancelScope() as scope:
                scope.cancel()
                async with make():
                    await giambio.sleep_forever()
            assert scope.cancelled_caught
            assert os.listdir(place) == []

    run(main)


def test_a_spooled_file_is_in_memory_while_it_is_small(run: Run, place: Path) -> None:
    async def main() -> None:
        async with giambio.SpooledTemporaryFile(max_size=100, dir=place) as file:
            before = file_routes.routes()
            threads = threading.enumerate()
            await file.write(b"x" * 20)
            await file.seek(0)
            assert await file.read(5) == b"xxxxx"
            assert await file.tell() == 5
            assert used(before, "worker threads").others == 0
            assert not threads_since(threads)
            await file.seek(0, os.SEEK_END)
            await file.write(b"y" * 200)
            await file.seek(0)
            assert await file.read() == b"x" * 20 + b"y" * 200
            assert file.fileno() > 0
        async with giambio.SpooledTemporaryFile(100, "w+", encoding="utf-8") as text:
            await text.write("äöü\n")
            await text.seek(0)
            assert await text.readline() == "äöü\n"
            assert text.encoding == "utf-8"

    run(main)


def test_arguments_that_make_no_sense_are_refused_at_once() -> None:
    """Rule 19.1: at the place of the mistake."""
    for make in (
        giambio.TemporaryFile,
        giambio.NamedTemporaryFile,
        lambda mode, **options: giambio.SpooledTemporaryFile(0, mode, **options),
    ):
        with pytest.raises(ValueError, match="mode 'q' makes no sense"):
            make("q")
        with pytest.raises(ValueError, match="binary mode takes no encoding="):
            make("wb", encoding="utf-8")


def test_a_folder_that_is_not_there(run: Run, place: Path) -> None:
    async def main() -> None:
        for make in (giambio.TemporaryFile, giambio.NamedTemporaryFile, giambio.TemporaryDirectory):
            with pytest.raises(FileNotFoundError):
                async with make(dir=place / "missing"):
                    pass

    run(main)


def test_without_threads_it_is_an_error(run: Run) -> None:
    """Rule 13.7: ``threads=False`` makes them errors."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="making a temporary file needs a worker thread"):
            async with giambio.TemporaryFile():
                pass

    run(main, threads=False)


def test_they_stand_where_pythons_do(run: Run) -> None:
    async def main() -> None:
        async with giambio.NamedTemporaryFile() as file, giambio.TemporaryDirectory() as folder:
            for name in (file.name, folder):
                assert os.path.dirname(name) == tempfile.gettempdir()

    run(main)
