"""Random operations on a file of giambio's and on one of Python's: they must agree.

Results, kinds of errors and the final content on the disk are compared. The routes
are forced in turn, so all three agree with each other, too.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import giambio
from support.files import ROUTES, forced_route, only  # noqa: F401  # a fixture

SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

#: From 3.13 on, Python's `tell` of a file open for appending counts what is not flushed yet from
#: the file's end, and not from where `seek` has been; flushed, all versions agree.
TELLS_THE_END = sys.version_info >= (3, 13)

sizes = st.integers(-1, 40)
data = st.one_of(
    st.binary(max_size=30),
    st.lists(st.sampled_from([b"\n", b"ab", b"\r\n", b"x" * 11]), max_size=8).map(b"".join),
)
binary_calls = st.one_of(
    st.tuples(st.just("read"), sizes),
    st.tuples(st.just("readline"), sizes),
    st.tuples(st.just("readlines"), sizes),
    st.tuples(st.just("readinto"), st.integers(0, 30)),
    st.tuples(st.just("write"), data),
    st.tuples(st.just("writelines"), st.lists(data, max_size=3)),
    st.tuples(st.just("seek"), st.integers(-5, 60), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("seek"), st.integers(-20, 5), st.sampled_from([1, 2])),
    st.tuples(st.just("truncate"), st.none() | st.integers(0, 70)),
    st.tuples(st.just("tell")),
    st.tuples(st.just("flush")),
)

text = st.text(st.sampled_from("ab\n\r äß三\U0001f600"), min_size=1, max_size=12)
text_calls = st.one_of(
    st.tuples(st.just("read"), sizes),
    st.tuples(st.just("readline"), sizes),
    st.tuples(st.just("write"), text),
    st.tuples(st.just("tell")),
    st.tuples(st.just("go back"), st.integers(0, 10)),
    st.tuples(st.just("seek"), st.just(0), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("flush")),
)


async def ours(file: Any, call: tuple[Any, ...]) -> Any:
    """What a call of ours returns, or the kind of error."""
    name, *args = call
    try:
        if name == "readinto":
            buffer = bytearray(args[0])
            return await file.readinto(buffer), buffer
        return await getattr(file, name)(*args)
    except (OSError, ValueError) as exc:
        return kind(exc)


def theirs(file: Any, call: tuple[Any, ...]) -> Any:
    """The same of Python's."""
    name, *args = call
    try:
        if name == "readinto":
            buffer = bytearray(args[0])
            return file.readinto(buffer), buffer
        return getattr(file, name)(*args)
    except (OSError, ValueError) as exc:
        return kind(exc)


def kind(exc: Exception) -> Any:
    """The kind of an error."""
    return "unsupported" if isinstance(exc, io.UnsupportedOperation) else type(exc)


@pytest.mark.usefixtures("route")
@SETTINGS
@given(
    mode=st.sampled_from(["rb", "rb+", "wb", "wb+", "ab", "ab+"]),
    buffering=st.sampled_from([-1, 0, 2, 7, 16]),
    content=data,
    calls=st.lists(binary_calls, max_size=20),
)
def test_binary_files_agree_with_pythons(
    mode: str, buffering: int, content: bytes, calls: list[tuple[Any, ...]]
) -> None:
    """Rule 17.2: the standard file API made async."""

    async def main(folder: str) -> None:
        paths = [os.path.join(folder, name) for name in ("ours", "theirs")]
        for path in paths:
            with open(path, "wb") as file:
                file.write(content)
        async with await giambio.open_file(paths[0], mode, buffering) as mine:
            with open(paths[1], mode, buffering) as python:
                for call in (*calls, ("tell",)):
                    if call[0] == "tell" and "a" in mode and TELLS_THE_END:
                        await mine.flush()
                        python.flush()
                    if fits(python, call[0]):
                        assert await ours(mine, call) == theirs(python, call), call
        assert read(paths[0]) == read(paths[1])

    with tempfile.TemporaryDirectory() as folder:
        giambio.run(main, folder)


def fits(file: Any, name: str) -> bool:
    """Tell whether a call can be made at all. Python does not always say so if it cannot."""
    if name.startswith("read"):
        return bool(file.readable())
    return name not in ("write", "writelines", "truncate") or bool(file.writable())


def read(path: str) -> bytes:
    """What a file contains."""
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.usefixtures("route")
@SETTINGS
@given(
    mode=st.sampled_from(["r", "r+", "w", "w+", "a", "a+"]),
    buffering=st.sampled_from([-1, 1, 2, 7]),
    # Without byte order marks: in an empty file Python is of two minds about them.
    encoding=st.sampled_from(["utf-8", "utf-16-le", "utf-7", "utf-32-be"]),
    newline=st.sampled_from([None, "", "\n", "\r", "\r\n"]),
    content=st.just("") | text,
    calls=st.lists(text_calls, max_size=20),
)
def test_text_files_agree_with_pythons(
    mode: str,
    buffering: int,
    encoding: str,
    newline: str | None,
    content: str,
    calls: list[tuple[Any, ...]],
) -> None:
    """Rule 17.2: text mode, buffering."""
    # A write may leave a part of an old character behind.
    options: Any = (buffering, encoding, "replace", newline)

    async def main(folder: str) -> None:
        paths = [os.path.join(folder, name) for name in ("ours", "theirs")]
        for path in paths:
            with open(path, "w", -1, encoding, newline="") as file:
                file.write(content)
        async with await giambio.open_file(paths[0], mode, *options) as mine:
            with open(paths[1], mode, *options) as python:
                await compare(mine, python, calls)
        assert read(paths[0]) == read(paths[1])

    with tempfile.TemporaryDirectory() as folder:
        giambio.run(main, folder)


async def compare(mine: Any, python: Any, calls: list[tuple[Any, ...]]) -> None:
    """Make the calls on both files. Cookies need not be equal, but lead to the same place."""
    cookies: list[tuple[int, int]] = []
    before = ""
    for call in calls:
        name, *args = call
        if not fits(python, name):
            continue
        direction = "read" if name.startswith("read") else "write" if name == "write" else ""
        if before and direction not in ("", before):
            # Python writes where its decoder has come to, wherever that is, and reads
            # without looking at what waits to be written: so tell both.
            await mine.seek(await mine.tell())
            python.seek(python.tell())
        if name == "tell":
            cookies.append((await mine.tell(), python.tell()))
        elif name == "go back":
            if cookies:
                our_cookie, their_cookie = cookies[args[0] % len(cookies)]
                await mine.seek(our_cookie)
                python.seek(their_cookie)
        elif name == "seek":
            await mine.seek(*args)
            python.seek(*args)
        else:
            assert await ours(mine, call) == theirs(python, call), call
        before = direction or before
