"""Plain Python: what a program does that has nothing else to do meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from files._work import SHORT, WHOLE, text

DESCRIPTION = "plain open()"


def run(function: Callable[..., None], *args: object) -> None:
    function(*args)


def open_and_read(n: int) -> None:
    for _ in range(n):
        with open(SHORT, "rb") as file:
            file.read()


def read_whole(n: int) -> None:
    with open(WHOLE, "rb") as file:
        for _ in range(n):
            file.read()
            file.seek(0)


def read_lines(n: int) -> None:
    for _ in range(n):
        with open(text()) as file:
            for _ in file:
                pass
