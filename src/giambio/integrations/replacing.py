"""Putting something in place of what a library has."""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["replace"]


def replace(module: ModuleType, name: str, new: object) -> None:
    """Give a module another object under a name, and all who imported it from there too.

    That is, those of the same package: nobody else has business with what is private to it.
    """
    old = getattr(module, name)
    package = module.__name__.partition(".")[0]
    for loaded, other in list(sys.modules.items()):
        same_package = loaded == package or loaded.startswith(package + ".")
        if same_package and getattr(other, name, None) is old:
            setattr(other, name, new)
