"""The Python twin of `static_types.pyx`: the pure build has no static types."""

from __future__ import annotations

from typing import Any

__all__ = ["seal"]


def seal(cls: type[Any], signature: str) -> None:
    """Make a static type final and tell `inspect.signature` how it is called."""
