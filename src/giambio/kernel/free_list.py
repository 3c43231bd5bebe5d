"""Operations that are done, to be used again: the Python twin of `free_list.pyx`.

An operation lives for one `await`. Natively, to make one of a class with a few base
classes and to free it again costs 700 instructions: each of the classes has its part in
both, and the garbage collector is told twice. To take one from this list and to put it
back costs 100. Python's own objects are not worth it: here, one is made each time.
"""

from __future__ import annotations

from typing import Any, NoReturn

from giambio.kernel import constants

__all__ = ["FreeList", "begin", "end"]


class FreeList:
    """Makes the operations of one class, instead of its constructor."""

    __slots__ = ("_cls",)

    def __init__(self, cls: type[Any]) -> None:
        self._cls = cls
        setattr(cls, "__init__", _refuse)  # noqa: B010  # as in `sealed`

    def take(self) -> Any:
        """Make one. Its fields are to be set as by a constructor (see `Operation.prepare`)."""
        return object.__new__(self._cls)


def begin() -> None:
    """Keep what the loop is done with that this thread runs from now on."""


def end() -> None:
    """Free what is kept for this thread alone."""


def _refuse(self: Any, *args: object, **keywords: object) -> NoReturn:
    # The class was called: the object has nothing to work with.
    self.state = constants.DONE
    raise TypeError(f"cannot make a {type(self).__name__} by hand; call the method that returns it")
