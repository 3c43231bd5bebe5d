"""The interface of all drivers.

A driver turns descriptors into readiness. It knows file descriptors, not
tasks: it reports to `Waiter`s. There are two ways to use it. A `Source` is for
a descriptor that is used all its life (a socket): its readiness is cached, and
`arm` after an `EAGAIN` is all it takes. A watch is for any other
descriptor: each one checks the level anew, and is over when it fires.
"""

from __future__ import annotations

from giambio.drivers.source import Source, Waiter

__all__ = ["Driver"]


class Driver:
    """Interface for drivers, as the kernel uses them."""

    __slots__ = ()

    name = "?"

    def arm(self, source: Source, direction: int) -> None:
        """Report to `source` when its descriptor becomes ready.

        Raises:
            OSError: the system refuses to watch this descriptor.
        """
        raise NotImplementedError

    def forget(self, source: Source) -> None:
        """Stop reporting to `source`; call it before its descriptor is closed."""
        raise NotImplementedError

    def watch(self, fd: int, direction: int, waiter: Waiter) -> bool:
        """Notify `waiter` once, when the descriptor is ready now or becomes so.

        Returns:
            False if such a descriptor (a file on disk) is always ready: then
            nothing is watched and nobody is notified.
        """
        raise NotImplementedError

    def unwatch(self, fd: int, direction: int) -> None:
        """End a watch that has not fired."""
        raise NotImplementedError

    def watcher(self, fd: int, direction: int) -> Waiter | None:
        """Return the waiter that watches this descriptor, or None."""
        raise NotImplementedError

    def wait(self, timeout: float) -> None:
        """Wait for events, at most `timeout` seconds; below zero: for ever.

        It only collects them, so that it may run in another thread while the
        host of the loop goes on; `deliver` hands them out.
        """
        raise NotImplementedError

    def deliver(self) -> None:
        """Report the events that `wait` collected."""
        raise NotImplementedError

    def close(self, forked: bool = False) -> None:
        """Release every descriptor of the driver.

        In a forked child the registrations belong to the parent, so there only
        the child's copies of the descriptors are closed.
        """
        raise NotImplementedError
