"""Public classes are final, in both builds, with the same words.

A subclass of a runtime's own classes breaks whenever their inside changes, so
there are none. A compiled class is a static type, which refuses subclasses and
pickling by a flag; a Python class needs two methods to say the same.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from giambio._build import static_types

__all__ = ["final"]

C = TypeVar("C", bound=type[Any])

HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by a `class` statement at run time


def final(cls: C, signature: str = "") -> C:
    """Make a class final and unpicklable.

    Parameters:
        cls: the class.
        signature: how it is called, as in ``"(name, *, size=0)"``. A compiled
            class needs to be told; a Python class knows.

    Returns:
        The same class, so that this can be used as a decorator.
    """
    if not cls.__flags__ & HEAP_TYPE:
        static_types.seal(cls, signature)
        return cls

    name = f"{cls.__module__}.{cls.__qualname__}"

    def __init_subclass__(sub: type[Any]) -> NoReturn:
        raise TypeError(f"type '{name}' is not an acceptable base type")

    def __reduce__(self: Any) -> NoReturn:
        raise TypeError(f"cannot pickle '{cls.__qualname__}' object")

    # `setattr`, because a type checker would take assignments for mistakes.
    setattr(cls, "__init_subclass__", classmethod(__init_subclass__))  # noqa: B010
    setattr(cls, "__reduce__", __reduce__)  # noqa: B010
    return cls
