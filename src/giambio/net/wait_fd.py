"""Waiting for any descriptor: for libraries that do their own system calls."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from giambio.arguments import FileDescriptorLike, is_int
from giambio.drivers import interest
from giambio.drivers.driver import Driver
from giambio.errors import BusyResourceError, ClosedResourceError
from giambio.kernel import constants
from giambio.kernel.operation import Operation, current_kernel

__all__ = ["notify_closing", "wait_readable", "wait_writable"]

HIGHEST = 2**31 - 1  # a descriptor is a C int


class Descriptor(int):
    """A descriptor's number, as reports show it."""

    def __repr__(self) -> str:
        return f"descriptor {int(self)}"


class Readiness(Operation):
    """Wait until a descriptor is ready; each operation registers it anew."""

    __slots__ = ("_closing", "_direction", "_fd", "_fired", "_watching")

    def __init__(self, fd: int, direction: int) -> None:
        self.prepare(None)
        self._fd = fd
        self._direction = direction
        self._watching = False
        self._fired = False
        self._closing = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """The name of the operation in messages."""
        return "wait_readable()" if self._direction == interest.READING else "wait_writable()"

    def subject(self) -> object:
        """See `Park.subject`."""
        return Descriptor(self._fd)

    def advance(self) -> bool:
        """Without budget, yield control by parking, if possible.

        Operations that watch a descriptor are notified when it is closed. For a task that only
        yielded, the number may be another descriptor's by its next turn.
        """
        task = self.task
        if task is None:
            task = self.bind()
        kernel = self.kernel
        fresh = self.state == constants.AWAITED and not task._pending
        if fresh and kernel is not None and kernel._budget <= 0 and self._watch_unless_it_fails():
            self.state = constants.TRIED
            task._parked = self
            return False
        return Operation.advance(self)

    def _watch_unless_it_fails(self) -> bool:
        """Begin to watch. An error is raised when that is tried again."""
        driver = None if self.kernel is None else self.kernel._driver
        if driver is None or driver.watcher(self._fd, self._direction) is not None:
            return False
        try:
            self._watching = driver.watch(self._fd, self._direction, self)
        except OSError:
            return False
        return self._watching

    def attempt(self) -> bool:
        """Watch the descriptor the first time; done when it fired."""
        if self._closing:
            return self.fail(
                ClosedResourceError(f"descriptor {self._fd} is being closed by another task")
            )
        if self._fired:
            return True
        driver = None if self.kernel is None else self.kernel._driver
        if self._watching or driver is None:
            return False
        if driver.watcher(self._fd, self._direction) is not None:
            ready = "readable" if self._direction == interest.READING else "writable"
            return self.fail(
                BusyResourceError(f"another task waits for descriptor {self._fd} to be {ready}")
            )
        try:
            self._watching = driver.watch(self._fd, self._direction, self)
        except OSError as exc:
            return self.fail(exc)
        return not self._watching

    def _ready(self) -> None:
        """The driver reports that it is ready."""
        self._watching = False
        self._fired = True
        Operation._ready(self)

    def closing(self) -> None:
        """The descriptor is about to be closed."""
        self.abort()
        self._closing = True
        Operation._ready(self)

    def abort(self) -> bool:
        """Stop watching."""
        if self._watching and self.kernel is not None and self.kernel._driver is not None:
            self._watching = False
            self.kernel._driver.unwatch(self._fd, self._direction)
        return True


def wait_readable(fd: FileDescriptorLike) -> Coroutine[Any, Any, None]:
    """Wait until a descriptor can be read from.

    Parameters:
        fd: a descriptor's number, or an object with ``fileno()``. Any
            descriptor that the system can wait for; a file on disk is always
            ready. It works beside an `AsyncSocket` on the same descriptor.

    Raises:
        TypeError, ValueError: it is no descriptor.
        OSError: it is not open.
        BusyResourceError: another task waits for the same.
        ClosedResourceError: `notify_closing` was called for it.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, nothing has happened. That a descriptor is ready is
    a hint: use it without blocking, and wait again if it was not.

    Example:
        >>> import giambio, os
        >>> async def main():
        ...     reader, writer = os.pipe()
        ...     os.write(writer, b"x")
        ...     await giambio.wait_readable(reader)
        ...     os.close(reader), os.close(writer)
        >>> giambio.run(main)
    """
    return Readiness(descriptor("wait_readable()", fd), interest.READING)


def wait_writable(fd: FileDescriptorLike) -> Coroutine[Any, Any, None]:
    """Wait until a descriptor can be written to; see `wait_readable`.

    Parameters:
        fd: a descriptor's number, or an object with ``fileno()``.

    Raises:
        TypeError, ValueError, OSError, BusyResourceError, ClosedResourceError,
        CancelledError: see `wait_readable`.

    A checkpoint. Cancelled, nothing has happened.

    Example:
        >>> import giambio, os
        >>> async def main():
        ...     reader, writer = os.pipe()
        ...     await giambio.wait_writable(writer)
        ...     os.close(reader), os.close(writer)
        >>> giambio.run(main)
    """
    return Readiness(descriptor("wait_writable()", fd), interest.WRITING)


def notify_closing(fd: FileDescriptorLike) -> None:
    """Call it before you close a descriptor that tasks may wait for.

    Parameters:
        fd: a descriptor's number, or an object with ``fileno()``.

    The tasks get a `ClosedResourceError`; otherwise they would wait for ever, or
    for the next descriptor with the same number. An `AsyncSocket` needs no such call.

    Raises:
        TypeError, ValueError: it is no descriptor.
        RuntimeError: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio, os
        >>> async def main():
        ...     reader, writer = os.pipe()
        ...     giambio.notify_closing(reader)
        ...     os.close(reader), os.close(writer)
        >>> giambio.run(main)
    """
    number = descriptor("notify_closing()", fd)
    driver = current_kernel()._driver
    if driver is not None:
        end_watches(driver, number)


def end_watches(driver: Driver, number: int) -> None:
    """End the waits for a descriptor that is about to be closed."""
    for direction in (interest.READING, interest.WRITING):
        waiter = driver.watcher(number, direction)
        if isinstance(waiter, Readiness):
            waiter.closing()


def descriptor(what: str, fd: Any) -> int:
    """Return the number of a descriptor."""
    fileno = getattr(fd, "fileno", None)
    number: object = fd if fileno is None else fileno()
    if not is_int(number):
        raise TypeError(
            f"{what} needs a descriptor's number or an object with fileno(), not {fd!r}"
        )
    if number < 0:
        raise ValueError(f"{what} needs an open descriptor, and {fd!r} is closed")
    if number > HIGHEST:
        raise ValueError(f"{what} needs a descriptor, and {fd!r} is too high for one")
    return number
