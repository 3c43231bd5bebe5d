"""Signals, as something a task can wait for.

A signal handler runs between any two instructions of the main thread, so it may
do next to nothing. Ours takes a note and wakes the loop; a task reads the notes
at its leisure. As in Trio, a note is no counter: a signal that comes twice
before anybody looks is one, as it is for the system itself.
"""

from __future__ import annotations

import os
import signal
import threading
import typing
from contextvars import Context
from types import FrameType, TracebackType
from typing import Any, Self

from giambio._build.sealed import final
from giambio.arguments import is_int
from giambio.errors import BusyResourceError, ClosedResourceError
from giambio.kernel.callbacks import Handle
from giambio.kernel.checkpoints import checkpoint
from giambio.kernel.external_wakeups import external_wakeups
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Wait, current_kernel

__all__ = ["open_signal_receiver"]


def open_signal_receiver(*signals: int) -> SignalReceiver:
    """Have signals come to a task: ``with open_signal_receiver(SIGTERM) as received: ...``

    Parameters:
        signals: one or more, such as `signal.SIGTERM`.

    Returns:
        A context manager. It gives an asynchronous iterator of the signals, as
        `signal.Signals`, in the order in which they came. One that comes again before it
        was taken is given once.

    Raises:
        TypeError: there is none, or one is no signal.
        ValueError: the system has no such signal.
        RuntimeError: on entering: it is not the main thread, where Python handles
            signals, or no loop runs; or the receiver was used before.
        OSError: on entering: nobody can receive it (SIGKILL, SIGSTOP).
        BusyResourceError: on iterating: another task waits for the same receiver's next one.
        ClosedResourceError: on iterating: the block was left.
        CancelledError: on iterating: the task is in a cancelled scope.

    Inside of the block the signals have no other effect. Of several receivers for one
    signal, the one that was opened last gets it. Leaving the block restores what was
    before, and delivers the signals that nobody took once more, in that way.

    Iterating is a checkpoint; cancelled, no signal is lost.

    Example:
        >>> import giambio, signal
        >>> async def main():
        ...     with giambio.open_signal_receiver(signal.SIGTERM) as received:
        ...         signal.raise_signal(signal.SIGTERM)  # or somebody else does
        ...         async for number in received:
        ...             return number.name
        >>> giambio.run(main)
        'SIGTERM'
    """
    return SignalReceiver(signals)


@typing.final  # for type checkers
@final
class SignalReceiver:
    """See `open_signal_receiver`."""

    __slots__ = ("_external", "_kernel", "_numbers", "_open", "_pending", "_waiting")

    def __init__(self, signals: tuple[int, ...]) -> None:
        self._numbers = tuple(dict.fromkeys(map(checked, signals)))
        if not self._numbers:
            raise TypeError(
                "open_signal_receiver() needs at least one signal, such as signal.SIGTERM"
            )
        self._kernel: Kernel | None = None
        self._external = external_wakeups()
        self._open = False
        # What has come and was not taken, the oldest first. The handler adds to it at
        # any moment, so it is touched by operations that are atomic.
        self._pending: dict[int, None] = {}
        self._waiting: Wait | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "open_signal_receiver() works only in the main thread, where Python handles "
                "signals; run this loop there, or open the receiver in the loop that does"
            )
        if self._kernel is not None:
            raise RuntimeError(
                "this signal receiver was used already; call open_signal_receiver() again"
            )
        self._kernel = current_kernel()
        self._external.__enter__()
        try:
            for number in self._numbers:
                add_receiver(number, self)
        except BaseException:
            self._leave()
            raise
        self._open = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        self._leave()
        self._wake()
        pending = list(self._pending)
        self._pending.clear()
        for number in pending:
            signal.raise_signal(number)

    def _leave(self) -> None:
        for number in self._numbers:
            remove_receiver(number, self)
        self._external.__exit__(None, None, None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        self._check_open()
        if self._waiting is not None:
            raise BusyResourceError(
                "another task waits for the next signal of this receiver; open one for each task"
            )
        if self._pending:
            await checkpoint()
        while not self._pending:
            self._waiting = Wait(name="the next signal")
            try:
                await self._waiting
            finally:
                self._waiting = None
            self._check_open()
        number = next(iter(self._pending))
        del self._pending[number]
        try:
            return signal.Signals(number)
        except ValueError:  # a real-time signal, which has no name
            return number

    def _check_open(self) -> None:
        if not self._open:
            raise ClosedResourceError(
                "this signal receiver is not open; iterate inside of "
                "`with open_signal_receiver(...) as received:`"
            )

    def note(self, number: int) -> None:
        """A signal has come. It is called by a signal handler."""
        self._pending[number] = None
        if self._kernel is not None:
            self._kernel._hand_in(Handle(self._wake, (), Context()))

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.wake()


#: The open receivers of each signal, the newest last, and what handled it before the first.
receivers: dict[int, list[SignalReceiver]] = {}
handlers: dict[int, Any] = {}


def handle(number: int, frame: FrameType | None) -> None:
    """The signal handler."""
    receivers[number][-1].note(number)


def add_receiver(number: int, receiver: SignalReceiver) -> None:
    """Have a receiver get a signal from now on."""
    stack = receivers.setdefault(number, [])
    stack.append(receiver)
    if len(stack) == 1:
        try:
            handlers[number] = signal.signal(number, handle)
        except BaseException:
            del receivers[number]
            raise


def remove_receiver(number: int, receiver: SignalReceiver) -> None:
    """Undo `add_receiver`; harmless if that had not succeeded."""
    stack = receivers.get(number, [])
    if stack == [receiver]:
        restore(number)  # first, because a signal may come before it is done
        del receivers[number]
    elif receiver in stack:
        stack.remove(receiver)


def restore(number: int) -> None:
    """Have a signal handled as it was before."""
    handler = handlers.pop(number)
    # None is a handler that was not installed by Python, and cannot be by it.
    signal.signal(number, signal.SIG_DFL if handler is None else handler)


def checked(number: int) -> int:
    """The number of a signal.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not is_int(number):
        raise TypeError(f"open_signal_receiver() needs signals such as SIGTERM, not {number!r}")
    if number not in signal.valid_signals():
        raise ValueError(f"open_signal_receiver(): this system has no signal {number!r}")
    return int(number)


def forget_receivers() -> None:
    """The tasks of a forked child's parent are not there to receive its signals."""
    for number in list(receivers):
        restore(number)
    receivers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_receivers)
