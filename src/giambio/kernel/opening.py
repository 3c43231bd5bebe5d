"""What `connect_tcp`, `open_file` and their like return: an awaitable that is a block, too.

A connection or a file is opened for a block of code, mostly, and `async with await` reads badly
and is forgotten easily. So such a function returns an object that is awaited or entered, one of
the two, and once. Its arguments are checked before, at the call, where a mistake has been made.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

from giambio.kernel.blocks import refuse_with
from giambio.kernel.tracebacks import user_frame

__all__ = ["Opening"]

T = TypeVar("T")


class Opening(Generic[T]):
    """The opening of something that ``async with`` closes.

    Parameters:
        what: the call, for messages: ``"connect_tcp()"``.
        coro: opens it, and returns what was opened.
    """

    __slots__ = ("__weakref__", "_a_label", "_coro", "_opened", "_place")

    def __init__(self, what: str, coro: Coroutine[Any, Any, T]) -> None:
        self._a_label = what
        self._coro: Coroutine[Any, Any, T] | None = coro
        self._opened: Any = None
        frame = user_frame(sys._getframe(1))
        # The frame itself would keep the user's variables alive.
        self._place = frame and (frame.f_code.co_filename, frame.f_lineno, frame.f_globals)

    def __await__(self) -> Generator[Any, Any, T]:
        return self.take().__await__()

    async def __aenter__(self) -> T:
        opened: Any = await self.take()
        self._opened = opened
        return await opened.__aenter__()  # type: ignore[no-any-return]  # it waits for nothing

    async def __aexit__(self, *exc_info: object) -> None:
        opened, self._opened = self._opened, None
        if opened is None:
            raise RuntimeError(f"the block of {self._a_label} was left before it was entered")
        await opened.__aexit__(*exc_info)

    __enter__ = __exit__ = refuse_with

    def take(self) -> Coroutine[Any, Any, T]:
        """Return the coroutine, which runs once.

        Raises:
            RuntimeError: it was awaited or entered already.
        """
        coro, self._coro = self._coro, None
        if coro is None:
            raise RuntimeError(
                f"this {self._a_label} was awaited or entered already, which can be done once; "
                "call it again to open another one"
            )
        return coro

    def as_task(self) -> Coroutine[Any, Any, T]:
        """Return the coroutine for a task, which is named after it."""
        coro: Any = self.take()
        coro.__qualname__ = self._a_label.removesuffix("()")
        return coro  # type: ignore[no-any-return]

    def __del__(self) -> None:
        coro = getattr(self, "_coro", None)  # None also if its constructor was interrupted
        if coro is None:
            return
        coro.close()
        problem = f"{self._a_label} was never awaited"
        if self._place is None:
            warnings.warn(problem, RuntimeWarning, stacklevel=2, source=None)
            return
        filename, line, names = self._place
        # In the name of the caller, or Python would name the line that runs now, and be silent
        # about the next one that is forgotten.
        warnings.warn_explicit(
            problem,
            RuntimeWarning,
            filename,
            line,
            module=names.get("__name__"),
            registry=names.setdefault("__warningregistry__", {}),
        )

    def __repr__(self) -> str:
        return f"<giambio.{self._a_label}{'' if self._coro is None else ' not awaited yet'}>"
