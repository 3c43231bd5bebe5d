"""Drivers: where readiness comes from. They know descriptors, not tasks."""

from __future__ import annotations

import sys

from giambio.drivers.driver import Driver
from giambio.drivers.source import Source, Waiter

__all__ = ["Driver", "Source", "Waiter", "create", "default_name"]


def default_name() -> str:
    """Return the name of the best driver on this system."""
    if sys.platform == "linux":
        import select

        if hasattr(select, "epoll"):
            return "epoll"
    return "selectors"


def create(name: str | None = None) -> Driver:
    """Make a driver.

    Parameters:
        name: ``"epoll"`` or ``"selectors"``; None takes the best one.

    Raises:
        ValueError: there is no driver of that name on this system.
    """
    if name is None:
        name = default_name()
    check_name(name)
    if name == "epoll":
        from giambio.drivers.epoll import EpollDriver

        return EpollDriver()
    from giambio.drivers.selectors import SelectorsDriver

    return SelectorsDriver()


def check_name(name: str) -> None:
    """Raise unless there is a driver of that name on this system.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    available = ["selectors"] if default_name() == "selectors" else ["epoll", "selectors"]
    if name not in available:
        raise ValueError(f"driver={name!r}: on this system there is {' and '.join(available)}")
