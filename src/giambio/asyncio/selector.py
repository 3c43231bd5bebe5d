"""The interface of `selectors` on a driver: asyncio's transports watch descriptors by it."""

from __future__ import annotations

import errno
import selectors
from collections.abc import Mapping
from contextvars import Context
from typing import Any

from giambio.drivers import interest
from giambio.kernel.callbacks import Handle
from giambio.kernel.kernel import Kernel

__all__ = ["DriverSelector"]

DIRECTIONS = (
    (selectors.EVENT_READ, interest.READING),
    (selectors.EVENT_WRITE, interest.WRITING),
)


class DriverSelector(selectors.BaseSelector):
    """Watches descriptors for an asyncio loop, and runs the handles that it has registered.

    Nobody selects: the kernel waits. asyncio registers a descriptor with the pair of its handles
    for reading and writing, which run in the loop's next turn, as often as it is ready.
    """

    def __init__(self, kernel: Kernel, run: Any) -> None:
        self._kernel = kernel
        # Runs a handle of asyncio's.
        self._run = run
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._watches: dict[tuple[int, int], Handle] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See `selectors.BaseSelector.register`."""
        fd = number_of(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (descriptor {fd}) is registered already")
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        try:
            self._watch(key)
        except BaseException:
            self.unregister(fd)
            raise
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See `selectors.BaseSelector.modify`."""
        fd = number_of(fileobj)
        if fd not in self._keys:
            raise KeyError(f"{fileobj!r} is not registered")
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        for event, direction in DIRECTIONS:
            if not events & event:
                self._unwatch(fd, direction)
        self._watch(key)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """See `selectors.BaseSelector.unregister`."""
        key = self.get_key(fileobj)
        for _, direction in DIRECTIONS:
            self._unwatch(key.fd, direction)
        return self._keys.pop(key.fd)

    def select(self, timeout: float | None = None) -> list[Any]:
        """See `selectors.BaseSelector.select`: the kernel does that."""
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """See `selectors.BaseSelector.get_map`."""
        return Registered(self._keys)

    def close(self) -> None:
        """See `selectors.BaseSelector.close`."""
        for fd in list(self._keys):
            self.unregister(fd)

    def _watch(self, key: selectors.SelectorKey) -> None:
        """Watch a descriptor for the events that it is not watched for yet."""
        for event, direction in DIRECTIONS:
            if key.events & event and (key.fd, direction) not in self._watches:
                # The handle stands for this one registration: cancelled with it, it does nothing
                # any more, also if it has its turn already.
                arguments = (key.fd, event, direction)
                handle = Handle(self._fired, arguments, Context(), self._kernel)
                self._arm(key.fd, direction, handle)
                self._watches[key.fd, direction] = handle

    def _arm(self, fd: int, direction: int, handle: Handle) -> None:
        driver = self._kernel._driver
        if driver is None:
            raise RuntimeError("this loop has ended; descriptors cannot be watched any more")
        if not driver.watch(fd, direction, handle):
            raise PermissionError(
                errno.EPERM, f"descriptor {fd} is always ready, as files are, and cannot be watched"
            )

    def _unwatch(self, fd: int, direction: int) -> None:
        handle = self._watches.pop((fd, direction), None)
        driver = self._kernel._driver
        if handle is None:
            return
        handle.cancel()
        if driver is not None and driver.watcher(fd, direction) is handle:
            driver.unwatch(fd, direction)

    def _fired(self, fd: int, event: int, direction: int) -> None:
        """Run the handle of asyncio's for an event, and watch on."""
        handle = self._watches[fd, direction]
        reader, writer = self._keys[fd].data
        self._run(reader if event == selectors.EVENT_READ else writer)
        if self._watches.get((fd, direction)) is handle:
            self._arm(fd, direction, handle)


class Registered(Mapping[Any, selectors.SelectorKey]):
    """The registered descriptors, found by an object that has one, too."""

    def __init__(self, keys: dict[int, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        try:
            return self._keys[number_of(fileobj)]
        except ValueError:  # it may have been closed meanwhile
            for key in self._keys.values():
                if key.fileobj is fileobj:
                    return key
            raise

    def __iter__(self) -> Any:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def number_of(fileobj: Any) -> int:
    """Return the descriptor of an object.

    Raises:
        ValueError: it has none.
    """
    try:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{fileobj!r} is no descriptor, and has none") from None
    if fd < 0:
        raise ValueError(f"{fileobj!r} is closed")
    return fd
