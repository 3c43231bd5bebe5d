"""`giambio.Path`: a value like `pathlib.Path`, with async access to the disk."""

from __future__ import annotations

import inspect
import os
import pathlib
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest

import giambio
from support.files import disk_or_memory, forced_route  # noqa: F401  # fixtures

Run = Callable[..., Any]
Place = pathlib.Path

#: What needs no disk in `pathlib.Path`, and what this one leaves out.
PURE = [
    "anchor",
    "as_posix",
    "as_uri",
    "drive",
    "full_match",
    "is_absolute",
    "is_relative_to",
    "is_reserved",
    "joinpath",
    "match",
    "name",
    "parent",
    "parents",
    "parser",
    "parts",
    "relative_to",
    "root",
    "stem",
    "suffix",
    "suffixes",
    "with_name",
    "with_segments",
    "with_stem",
    "with_suffix",
]
LEFT_OUT = [
    "is_junction",
    "walk",
    "lchmod",
    "link_to",
    "from_uri",
    "info",
    "copy",
    "copy_into",
    "move",
    "move_into",
]


def test_it_has_every_method_of_pathlibs(tmp_path: Place) -> None:
    public = {name for name in dir(pathlib.Path) if not name.startswith("_")}
    ours = {name for name in dir(giambio.Path) if not name.startswith("_")}
    assert public - ours <= set(LEFT_OUT)
    assert ours - public == set()


@pytest.mark.parametrize("name", [name for name in dir(giambio.Path) if not name.startswith("_")])
def test_what_touches_the_disk_is_async(name: str) -> None:
    member = inspect.getattr_static(giambio.Path, name)
    member = getattr(member, "__func__", member)
    if name in PURE:
        assert isinstance(member, property) or not inspect.iscoroutinefunction(member)
    elif name not in ("iterdir", "glob", "rglob", "open"):
        assert inspect.iscoroutinefunction(member)


@pytest.mark.parametrize("text", ["/a/b.tar.gz", "a/b", ".", "/", "..", "a/../b", "/a/"])
def test_it_is_the_same_value_as_pathlibs(text: str) -> None:
    ours, theirs = giambio.Path(text), pathlib.Path(text)
    assert ours == theirs
    assert theirs == ours
    assert hash(ours) == hash(theirs)
    assert {ours: 1}[theirs] == 1  # type: ignore[index]
    assert str(ours) == str(theirs) == os.fspath(ours)
    assert bytes(ours) == bytes(theirs)
    assert repr(ours) == f"giambio.Path({str(theirs)!r})"
    for name in ("parts", "drive", "root", "anchor", "name", "suffix", "suffixes", "stem"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.parent == theirs.parent
    assert list(ours.parents) == list(theirs.parents)
    assert all(isinstance(parent, giambio.Path) for parent in ours.parents)
    assert ours.as_posix() == theirs.as_posix()
    assert ours.is_absolute() == theirs.is_absolute()
    assert ours.match("*.gz") == theirs.match("*.gz")


def test_paths_are_put_together() -> None:
    path = giambio.Path("a", pathlib.Path("b"), giambio.Path("c"))
    assert path == pathlib.Path("a/b/c")
    assert path / "d" == giambio.Path("a/b/c/d")
    assert path / giambio.Path("d") == path / pathlib.Path("d") == path.joinpath("d")
    assert "x" / path == giambio.Path("x/a/b/c")
    assert isinstance(pathlib.Path("x") / path, giambio.Path | pathlib.Path)
    assert path.relative_to("a") == giambio.Path("b/c")
    assert path.is_relative_to(giambio.Path("a"))
    assert path.with_name("z") == giambio.Path("a/b/z")
    assert path.with_suffix(".txt") == giambio.Path("a/b/c.txt")
    assert path.with_suffix(".txt").with_stem("s") == giambio.Path("a/b/s.txt")
    assert giambio.Path() == pathlib.Path()
    assert giambio.Path("/a").as_uri() == "file:///a"
    with pytest.raises(TypeError):
        giambio.Path(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        path / 5  # type: ignore[operator]


def test_paths_are_ordered_like_pathlibs() -> None:
    one, two = giambio.Path("a"), giambio.Path("b")
    assert one < two <= two
    assert two > one >= one
    assert one < pathlib.Path("b")
    assert pathlib.Path("a") < two
    assert sorted([two, one]) == [one, two]
    assert one != "a"
    assert one != PurePosixPath("b")
    with pytest.raises(TypeError):
        _ = one < "b"  # type: ignore[operator]


@pytest.mark.usefixtures("route")
def test_files_are_read_and_written(run: Run, place: Place) -> None:
    async def main() -> None:
        path = giambio.Path(place) / "file"
        assert await path.write_bytes(b"\xffbytes") == 6
        assert await path.read_bytes() == b"\xffbytes"
        assert await path.write_text("äöü\n", encoding="utf-8", newline="\r\n") == 4
        assert await path.read_bytes() == "äöü\r\n".encode()
        assert await path.read_text("utf-8") == "äöü\n"
        assert await path.write_text("\udcff", "ascii", "surrogateescape") == 1
        assert await path.read_text("ascii", errors="replace") == "\ufffd"
        with pytest.raises(TypeError, match=r"write_text\(\) needs a str, not bytes"):
            await path.write_text(b"no")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await path.write_bytes("no")
        assert await path.read_bytes() == b"\xff"
        async with await path.open("ab") as file:
            await file.write(b"!")
        async with await path.open() as text:
            assert text.name == str(path)

    run(main)


@pytest.mark.usefixtures("route")
def test_what_is_there(run: Run, place: Place) -> None:
    (place / "file").write_text("text")
    (place / "folder").mkdir()
    (place / "link").symlink_to("file")
    (place / "broken").symlink_to("nothing")
    (place / "loop").symlink_to("loop")
    os.mkfifo(place / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(place / "socket"))
    names = ["file", "folder", "link", "broken", "loop", "pipe", "socket", "missing", "file/below"]
    paths = [place / name for name in names] + [pathlib.Path("/dev/null"), pathlib.Path("a\0b")]
    tests = (
        "exists is_file is_dir is_symlink is_fifo is_socket is_block_device is_char_device "
        "is_mount stat lstat"
    )

    async def main() -> None:
        for path in paths:
            for test in tests.split():
                try:
                    expected = getattr(path, test)()
                except (OSError, ValueError) as exc:
                    with pytest.raises(type(exc)) as caught:
                        await getattr(giambio.Path(path), test)()
                    # From Python 3.12 on, a ValueError of the system's names the function.
                    if isinstance(exc, OSError):
                        assert caught.value.args == exc.args
                    assert getattr(caught.value, "filename", 0) == getattr(exc, "filename", 0)
                else:
                    assert await getattr(giambio.Path(path), test)() == expected, (path, test)
        path = giambio.Path(place, "link")
        assert stat.S_ISLNK((await path.stat(follow_symlinks=False)).st_mode)
        assert await path.samefile(place / "file")
        assert await path.readlink() == giambio.Path("file")
        assert await path.resolve() == pathlib.Path(place / "link").resolve()
        assert await path.owner() == pathlib.Path(place / "link").owner()
        assert await path.group() == pathlib.Path(place / "link").group()

    run(main)


@pytest.mark.usefixtures("route")
def test_the_disk_is_changed(run: Run, place: Place) -> None:
    async def main() -> None:
        folder = giambio.Path(place) / "one" / "two"
        with pytest.raises(FileNotFoundError):
            await folder.mkdir()
        await folder.mkdir(parents=True)
        await folder.mkdir(exist_ok=True)
        with pytest.raises(FileExistsError):
            await folder.mkdir()
        file = folder / "file"
        await file.touch()
        with pytest.raises(FileExistsError):
            await file.touch(exist_ok=False)
        await file.chmod(0o600)
        assert stat.S_IMODE((await file.stat()).st_mode) == 0o600
        moved = await file.rename(folder / "moved")
        assert moved == folder / "moved"
        assert isinstance(moved, giambio.Path)
        await (folder / "link").symlink_to("moved")
        await (folder / "hard").hardlink_to(moved)
        assert (await moved.stat()).st_nlink == 2
        assert await (folder / "hard").replace(folder / "link") == folder / "link"
        assert not await (folder / "link").is_symlink()
        with pytest.raises(OSError, match="not empty"):
            await folder.rmdir()
        await moved.unlink()
        await moved.unlink(missing_ok=True)
        with pytest.raises(FileNotFoundError):
            await moved.unlink()
        await (folder / "link").unlink()
        await folder.rmdir()
        assert not await folder.exists()

    run(main)


def test_entries_come_as_they_do_from_pathlib(run: Run, place: Place) -> None:
    for number in range(600):
        (place / f"{number}.txt").touch()
    (place / "folder").mkdir()
    (place / "folder" / "deep.txt").touch()

    async def main() -> None:
        path = giambio.Path(place)
        found = [entry async for entry in path.iterdir()]
        assert all(isinstance(entry, giambio.Path) for entry in found)
        assert len(found) == 601
        assert set(found) == set(place.iterdir())
        assert {entry async for entry in path.glob("1*.txt")} == set(place.glob("1*.txt"))
        assert {entry async for entry in path.rglob("*.txt")} == set(place.rglob("*.txt"))
        assert [entry async for entry in path.glob("nothing")] == []
        with pytest.raises(FileNotFoundError):
            await (path / "missing").iterdir().__anext__()
        with pytest.raises(ValueError, match="Unacceptable pattern"):
            await path.glob("").__anext__()

    run(main)


def test_entries_are_not_lost_when_cancelled(run: Run, place: Place) -> None:
    for number in range(600):
        (place / str(number)).touch()

    async def main() -> None:
        entries = giambio.Path(place).iterdir()
        found = set()
        while True:
            with giambio.CancelScope() as scope:
                scope.cancel()
                await entries.__anext__()
            assert scope.cancelled_caught
            try:
                with giambio.move_on_after(0.00001):
                    found.add((await entries.__anext__()).name)
            except StopAsyncIteration:
                break
        assert len(found) == 600

    run(main)


def test_where_we_are(run: Run, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(place))

    async def main() -> None:
        assert await giambio.Path.cwd() == place
        assert await giambio.Path.home() == place
        assert await giambio.Path("a").absolute() == place / "a"
        assert await giambio.Path("~/a").expanduser() == place / "a"

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="it asks Linux")
def test_a_cancelled_call_changes_nothing(run: Run, place: Place) -> None:
    async def main() -> None:
        path = giambio.Path(place) / "file"
        for call in (path.touch, path.mkdir, lambda: path.write_text("x"), path.exists):
            with giambio.CancelScope() as scope:
                scope.cancel()
                await call()  # type: ignore[operator]
            assert scope.cancelled_caught
        assert os.listdir(place) == []

    run(main)
