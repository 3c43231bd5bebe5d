"""Drivers: where readiness comes from. They know descriptors, not tasks."""

from __future__ import annotations

import sys

from giambio.drivers.driver import Driver
from giambio.drivers.source import Source, Waiter

__all__ = ["Driver", "Source", "Waiter", "create", "default_name"]


def default_name() -> str:
    """The name of the best driver on this system."""
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
    driver: Driver
    if name == "epoll":
        from giambio.drivers.epoll import EpollDriver

        driver = EpollDriver()
    else:
        from giambio.drivers.selectors import SelectorsDriver

        driver = SelectorsDriver()
    return driver


def check_name(name: str) -> None:
    """Refuse the name of a driver that is not to be had here.

    Raises:
        ValueError: it is not; the message lists those that are.
    """
    available = ["selectors"] if default_name() == "selectors" else ["epoll", "selectors"]
    if name not in available:
        raise ValueError(f"driver={name!r}: on this system there is {' and '.join(available)}")
