"""Signals: a task iterates over those that the process receives.

A signal handler runs between any two instructions of the main thread, so it may do next to
nothing. Ours takes a note and wakes the loop; a task reads the notes later. As in Trio, a note is
no counter: a signal that comes twice before a task reads it is one, as it is for the system.
"""

from __future__ import annotations

import os
import signal
import threading
import typing
from contextlib import ExitStack
from contextvars import Context
from types import FrameType
from typing import Any, Self

from giambio._build.sealed import final
from giambio.arguments import check_signal
from giambio.errors import BusyResourceError, ClosedResourceError
from giambio.kernel.blocks import refuse_async_with
from giambio.kernel.callbacks import Handle
from giambio.kernel.checkpoints import checkpoint
from giambio.kernel.external_wakeups import external_wakeups
from giambio.kernel.operation import Wait, current_kernel

__all__ = ["open_signal_receiver"]


def open_signal_receiver(*signals: int) -> SignalReceiver:
    """Receive signals in a task: ``with open_signal_receiver(SIGTERM) as received: ...``

    Parameters:
        signals: one or more, such as `signal.SIGTERM`.

    Returns:
        A context manager. It gives an asynchronous iterator of the signals, as
        `signal.Signals`, in the order in which they came. One that comes again before it
        was taken is given once.

    Raises:
        TypeError: there is none, or one is not a signal.
        ValueError: the system has no such signal, or nobody can receive it (SIGKILL, SIGSTOP).
        RuntimeError: on entering: this is not the main thread, where Python handles
            signals, or no loop runs; or the receiver was used before.
        BusyResourceError: on iterating: another task waits for the same receiver's next one.
        ClosedResourceError: on iterating: the block was left.
        CancelledError: on iterating: the task is in a cancelled scope.

    Inside of the block the signals have no other effect. Of several receivers for one
    signal, the one that was opened last gets it. Leaving the block restores the handlers of
    before, and delivers to them the signals that nobody took.

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

    __slots__ = ("_kernel", "_numbers", "_pending", "_undo", "_waiting")

    #: What it is called in messages, see `blocks`.
    _a_label = "open_signal_receiver()"

    def __init__(self, signals: tuple[int, ...]) -> None:
        numbers = (check_signal("open_signal_receiver()", number) for number in signals)
        self._numbers = tuple(dict.fromkeys(numbers))
        if not self._numbers:
            raise TypeError(
                "open_signal_receiver() needs at least one signal, such as signal.SIGTERM"
            )
        self._kernel: Any = None
        # How to restore the handlers; None outside of the block.
        self._undo: ExitStack | None = None
        # The signals that have come and were not taken, the oldest first. The handler adds to
        # it at any moment, so it is touched by operations that are atomic.
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
        with ExitStack() as undo:
            undo.enter_context(external_wakeups())
            for number in self._numbers:
                undo.callback(remove_receiver, number, self)
                add_receiver(number, self)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self._undo is not None:
            self._undo.close()
        self._undo = None
        self._wake()
        pending, self._pending = self._pending, {}
        for number in pending:
            signal.raise_signal(number)

    __aenter__ = __aexit__ = refuse_async_with

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
        if self._undo is None:
            raise ClosedResourceError(
                "this signal receiver is not open; iterate inside of "
                "`with open_signal_receiver(...) as received:`"
            )

    def _note(self, number: int) -> None:
        """Take note of a signal; called by the signal handler."""
        self._pending[number] = None
        self._kernel._hand_in(Handle(self._wake, (), Context()))

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.wake()


#: The open receivers of each signal, the newest last, and the handler before the first of them.
receivers: dict[int, list[SignalReceiver]] = {}
handlers: dict[int, Any] = {}


def handle(number: int, frame: FrameType | None) -> None:
    """The signal handler."""
    receivers[number][-1]._note(number)


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
    """Undo `add_receiver`; harmless if that had not succeeded, and in a forked child."""
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


def forget_receivers() -> None:
    """A forked child has none of the tasks that receive signals."""
    for number in list(receivers):
        restore(number)
    receivers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_receivers)
