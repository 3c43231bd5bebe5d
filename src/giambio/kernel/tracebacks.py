"""Tracebacks that show the user's code, not ours.

An exception that travels from a task to another that joins it passes through frames
of the runtime, which tell the user nothing. They are taken off at the outer end of
the traceback; the frames at the inner end are those where it happened, and stay.
"""

from __future__ import annotations

import sys
from types import FrameType, TracebackType
from typing import Any, TypeVar

from giambio._build.selection import is_pure

__all__ = ["DROPPER", "is_ours", "modules_of", "user_frame", "user_part", "user_place"]

E = TypeVar("E", bound=BaseException)

#: The `stacklevel` of a warning from the `__del__` of a class that is compiled: the code that let
#: go of the object. A compiled `__del__` has no frame that would have to be left out.
DROPPER = 2 if is_pure() else 1


def is_ours(module: object) -> bool:
    """Return whether a module is part of the runtime itself."""
    return isinstance(module, str) and module.startswith("giambio.") and ".demo" not in module


def modules_of(exc: BaseException) -> list[Any]:
    """Return the names of the modules through which an exception came, the outermost first."""
    names = []
    traceback = exc.__traceback__
    while traceback is not None:
        names.append(traceback.tb_frame.f_globals.get("__name__"))
        traceback = traceback.tb_next
    return names


def user_part(exc: E) -> E:
    """Drop the runtime's own frames from the outer end of a traceback."""
    first: TracebackType | None = exc.__traceback__
    traceback = first
    while traceback is not None and is_ours(traceback.tb_frame.f_globals.get("__name__")):
        traceback = traceback.tb_next
    # An error of the runtime itself keeps its frames: nothing else explains it.
    return exc if traceback is None or traceback is first else exc.with_traceback(traceback)


def user_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame that is not the runtime's, from a frame outwards."""
    while frame is not None and is_ours(frame.f_globals.get("__name__")):
        frame = frame.f_back
    return frame


def user_place() -> str:
    """Return the place in the user's code, to warn of an object that is dropped unclosed."""
    frame = user_frame(sys._getframe())
    return "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
