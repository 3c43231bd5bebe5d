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


def create(choice: str | Driver | None = None) -> Driver:
    """Make a driver, or return one that was made already.

    Parameters:
        choice: ``"epoll"`` or ``"selectors"``; None takes the best one.

    Raises:
        ValueError: there is no driver of that name on this system.
    """
    if isinstance(choice, Driver):
        return choice
    name = default_name() if choice is None else choice
    check_choice(name)
    if name == "epoll":
        from giambio.drivers.epoll import EpollDriver

        return EpollDriver()
    from giambio.drivers.selectors import SelectorsDriver

    return SelectorsDriver()


def check_choice(choice: str | Driver) -> None:
    """Raise unless it is a driver, or the name of one on this system.

    Raises:
        ValueError: there is none of that name; the message lists those that exist.
    """
    if isinstance(choice, Driver):
        return
    available = ["selectors"] if default_name() == "selectors" else ["epoll", "selectors"]
    if choice not in available:
        raise ValueError(f"driver={choice!r}: on this system there is {' and '.join(available)}")
