"""gevent: `FileObjectThread` is its way to read regular files without blocking the others."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.fileobject import FileObjectThread

from files._work import CHUNK, LONG, PIECE, SHORT, TARGET, WHOLE

DESCRIPTION = f"gevent {gevent.__version__}"


def run(function: Callable[..., None], *args: object) -> None:
    function(*args)


def read(n: int) -> None:
    with FileObjectThread(LONG, "rb") as file:
        for _ in range(n):
            if not file.read(PIECE):
                file.seek(0)


def open_and_read(n: int) -> None:
    for _ in range(n):
        with FileObjectThread(SHORT, "rb") as file:
            file.read()


def read_whole(n: int) -> None:
    with FileObjectThread(WHOLE, "rb") as file:
        for _ in range(n):
            file.read()
            file.seek(0)


def copy(n: int) -> None:
    with FileObjectThread(LONG, "rb") as source, FileObjectThread(TARGET, "wb") as copied:
        for _ in range(n):
            data = source.read(CHUNK)
            if not data:
                source.seek(0)
                copied.seek(0)
            copied.write(data)
