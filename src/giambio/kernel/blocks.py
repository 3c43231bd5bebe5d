"""Blocks of one kind, used as the other: an error that says which one it is.

Until 3.14 Python itself says only that a protocol is not supported. A class whose objects are
used with `async with` alone, or with `with` alone, takes these functions as its methods of the
other kind.
"""

from __future__ import annotations

from typing import Never, NoReturn

__all__ = ["refuse_async_with", "refuse_with"]


# `Never`, so that type checkers report the mistake too.
def refuse_with(self: Never, *exc_info: object) -> NoReturn:
    """Stand for `__enter__` and `__exit__`."""
    raise TypeError(f"{described(self)} is entered with `async with`, not `with`")


def refuse_async_with(self: Never, *exc_info: object) -> NoReturn:
    """Stand for `__aenter__` and `__aexit__`."""
    raise TypeError(f"{described(self)} is entered with `with`, not `async with`")


def described(block: object) -> str:
    """Return the name of a block, with an article, or with the parentheses of its call."""
    label: str | None = getattr(block, "_a_label", None)
    if label is not None:
        return label
    name = type(block).__name__
    if name[0].islower():
        return f"{name}()"
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
