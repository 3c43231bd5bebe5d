"""Waking a loop that waits in its driver, from a thread or a signal.

It is a socket pair, because Python's signal machinery can write to nothing
less, and it serves threads just as well.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from giambio.drivers import Driver, Source, interest
from giambio.kernel.callbacks import Callback

__all__ = ["Wakeup"]

#: How many wake-ups are read at a time.
MOST_BYTES = 4096


class Wakeup:
    """A socket pair whose one end the driver watches."""

    __slots__ = ("_driver", "_receiver", "_sender", "_source", "on_signals", "signalled")

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._receiver, self._sender = socket.socketpair()
        try:
            self._receiver.setblocking(False)
            self._sender.setblocking(False)
            self._source = Source(self._receiver.fileno())
            self._source.reader = Callback(self.drain)
            driver.arm(self._source, interest.READING)
        except BaseException:
            self._receiver.close()
            self._sender.close()
            raise
        self.signalled = False
        # Called with the numbers of the signals that have come.
        self.on_signals: Callable[[set[int]], object] | None = None

    def fileno(self) -> int:
        """Return the descriptor to write to, for `signal.set_wakeup_fd`."""
        return self._sender.fileno()

    def send(self) -> None:
        """Wake the loop; from any thread."""
        if not self.signalled:
            self.signalled = True
            try:
                self._sender.send(b"\0")
            except BlockingIOError:
                pass  # full: it has been woken often enough
            except OSError:
                self.signalled = False  # no memory: the next one tries; or the loop has ended
            except BaseException:
                self.signalled = False
                raise

    def drain(self) -> None:
        """Read what was sent; in the loop's own thread."""
        # The protocol with `send`, in this order. There: put the work where the loop
        # looks, then look at the flag. Here: read everything, then clear the flag, then
        # (before the next wait) look for work. Cleared first, a byte that comes in
        # between would be read while its flag stays set, and nobody would wake us again.
        # (A short read has read everything: a byte that comes later is a new event. To be told so
        # by an error takes a tenth of the time of a call in a thread.)
        try:
            while True:
                data = self._receiver.recv(MOST_BYTES)
                # A zero stands for each `send`, another byte for a signal.
                if self.on_signals is not None and (numbers := set(data) - {0}):
                    self.on_signals(numbers)
                if len(data) < MOST_BYTES:
                    break
        except BlockingIOError:
            pass
        finally:
            self.signalled = False
            self._driver.arm(self._source, interest.READING)

    def close(self, forked: bool = False) -> None:
        """Release both descriptors; in a forked child the registration is the parent's."""
        self.on_signals = None  # it holds the main task, and its failure
        try:
            if not forked:
                self._driver.forget(self._source)
        finally:
            self._receiver.close()
            self._sender.close()
