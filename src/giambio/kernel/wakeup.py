"""Waking a loop that waits in its driver, from a thread or a signal.

It is a socket pair, because Python's signal machinery can write to nothing
less, and it serves threads just as well.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from giambio.drivers import Driver, Source, interest
from giambio.kernel.callbacks import Callback

__all__ = ["Wakeup"]

#: How many wake-ups are read at a time.
MOST_BYTES = 4096

WANTED = "a byte is wanted"


class Wakeup:
    """A socket pair whose one end the driver watches, while the loop runs.

    The object stays the same from run to run, because another thread may be just about to use it.
    """

    __slots__ = ("_driver", "_flag", "_receiver", "_sender", "_sending", "_source", "on_signals")

    def __init__(self) -> None:
        self._driver: Driver | None = None
        self._receiver: socket.socket | None = None
        self._sender: socket.socket | None = None
        self._source: Source | None = None
        # Holds `WANTED` while a byte would wake the loop. It is a dict, because that puts and takes
        # in one go each, with a lock of its own where threads do not take turns. So the one who
        # does it second knows all that the first one did before: see `drain`.
        self._flag: dict[str, bool] = {}
        # Held to send and to close, for a closed descriptor's number may be another's at once.
        # A signal handler may send while its thread is doing either.
        self._sending = threading.RLock()
        # Called with the numbers of the signals that have come.
        self.on_signals: Callable[[set[int]], object] | None = None

    def open(self, driver: Driver) -> None:
        """Make the pair, and have a driver watch it."""
        self._receiver, self._sender = socket.socketpair()
        try:
            self._receiver.setblocking(False)
            self._sender.setblocking(False)
            self._source = Source(self._receiver.fileno())
            self._source.reader = Callback(self.drain)
            driver.arm(self._source, interest.READING)
        except BaseException:
            self._close_sockets()
            raise
        self._driver = driver
        self._flag[WANTED] = True

    def fileno(self) -> int:
        """Return the descriptor to write to, for `signal.set_wakeup_fd`; -1 if there is none."""
        return -1 if self._sender is None else self._sender.fileno()

    def send(self) -> None:
        """Wake the loop, if it runs; from any thread."""
        try:
            if self._flag.pop(WANTED, False):
                with self._sending:
                    if self._sender is not None:
                        self._sender.send(b"\0")
        except BlockingIOError:
            pass  # full: it has been woken often enough
        except OSError:
            self._flag[WANTED] = True  # no memory: the next one tries
        except BaseException:
            self._flag[WANTED] = True
            raise

    def drain(self) -> None:
        """Read what was sent; in the loop's own thread."""
        # The protocol with `send`, in this order. There: put the work where the loop
        # looks, then take the flag. Here: read everything, then put the flag back, then
        # (before the next wait) look for work. Put back first, a byte that comes in
        # between would be read while the flag stays taken, and nobody would wake us again.
        # (A short read has read everything: a byte that comes later is a new event. To be told so
        # by an error takes a tenth of the time of a call in a thread.)
        receiver, driver, source = self._receiver, self._driver, self._source
        if receiver is None or driver is None or source is None:
            return
        try:
            while True:
                data = receiver.recv(MOST_BYTES)
                # A zero stands for each `send`, another byte for a signal.
                if self.on_signals is not None and (numbers := data.strip(b"\0")):
                    self.on_signals(set(numbers) - {0})
                if len(data) < MOST_BYTES:
                    break
        except BlockingIOError:
            pass
        finally:
            self._flag[WANTED] = True
            driver.arm(source, interest.READING)

    def close(self, forked: bool = False) -> None:
        """Release both descriptors; in a forked child the registration is the parent's."""
        self.on_signals = None  # it holds the main task, and its failure
        driver, source = self._driver, self._source
        self._driver = self._source = None
        if forked:  # a thread of the parent's may have held it
            self._sending = threading.RLock()
        try:
            if driver is not None and source is not None and not forked:
                driver.forget(source)
        finally:
            self._close_sockets()

    def _close_sockets(self) -> None:
        receiver, sender = self._receiver, self._sender
        with self._sending:
            self._receiver = self._sender = None
            self._flag.clear()
            for end in (receiver, sender):
                if end is not None:
                    end.close()
