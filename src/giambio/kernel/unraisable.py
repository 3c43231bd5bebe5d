"""Reports of exceptions that nobody is left to catch."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

__all__ = ["report_unraisable"]


def report_unraisable(exc: BaseException, doing: str, culprit: object) -> None:
    """Report an exception that nobody is left to catch, as Python does for destructors."""
    message = f"giambio: an error while {doing}"
    report = (type(exc), exc, exc.__traceback__, message, culprit)
    sys.unraisablehook(unraisable_hook_args()(report))


@cache
def unraisable_hook_args() -> Any:
    """Return the class of what a `sys.unraisablehook` gets: Python's own takes no other object.

    It has no name in any module.
    """
    return next(cls for cls in tuple.__subclasses__() if cls.__name__ == "UnraisableHookArgs")
