"""An asyncio loop on giambio's kernel: its callbacks, timers and tasks are the kernel's.

The transports of streams and of datagrams are giambio's, see `transports`; those of pipes are
asyncio's own, on a selector that the kernel waits for.
"""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import coroutines, sslproto
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any

from giambio.asyncio import handles
from giambio.asyncio.host import Host
from giambio.asyncio.selector import DriverSelector
from giambio.asyncio.transports.datagram_transport import DatagramTransport
from giambio.asyncio.transports.ready_transports import ReadyTransports
from giambio.asyncio.transports.stream_transport import StreamTransport
from giambio.kernel.callbacks import Handle
from giambio.kernel.coroutines import to_coroutine
from giambio.kernel.kernel import copy_or
from giambio.kernel.operation import Operation
from giambio.runtime.loop import EventLoop
from giambio.threads.workers import INSTEAD

__all__ = ["KernelLoop"]


#: Type checkers know only what is public of them.
BaseLoop: Any = asyncio.SelectorEventLoop
base_tasks: Any = asyncio.tasks
base_events: Any = asyncio.base_events


class KernelLoop(BaseLoop):  # type: ignore[misc]
    """The part of an asyncio loop that is the same in a run of giambio's and for asyncio's own."""

    _thread_id: int | None
    _csock: Any

    def __init__(self, kernel: EventLoop) -> None:
        self._kernel = kernel
        self._host = Host(kernel, self)
        self._ready_transports = ReadyTransports(self._host)
        # Each handle of asyncio's has a context of its own, which it is run in by itself.
        self._outside = contextvars.Context()
        super().__init__(DriverSelector(kernel, self._run_handle))
        # Who is told of signals that have no handler of this loop's.
        self._on_other_signals: Callable[[set[int]], object] | None = None

    def set_debug(self, enabled: bool) -> None:
        """See `asyncio.AbstractEventLoop.set_debug`."""
        super().set_debug(enabled)
        self._host.watches_steps = enabled

    def close(self) -> None:
        """See `asyncio.AbstractEventLoop.close`."""
        super().close()
        self._host.is_closed = self.is_closed()

    # -- turns ---------------------------------------------------------------------------

    def _begin_turns(self) -> None:
        """Note that the kernel turns in this thread from now on."""
        self._thread_id = get_ident()
        self._set_coroutine_origin_tracking(self._debug)

    def _end_turns(self) -> None:
        """Undo `_begin_turns`."""
        self._thread_id = None
        self._set_coroutine_origin_tracking(False)

    # -- callbacks and time ----------------------------------------------------------

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop.time`."""
        return self._kernel.current_time()

    call_soon = handles.call_soon
    call_at = handles.call_at
    call_soon_threadsafe = handles.call_soon_threadsafe

    def _add_callback(self, handle: Any) -> None:
        if not handle._cancelled:
            self._schedule(handle)

    def _schedule(self, handle: Any) -> None:
        self._host.schedule(Handle(self._run_handle, (handle,), self._outside))

    def _run_handle(self, handle: Any) -> None:
        """Run a callback, and tell of one that holds the loop for too long."""
        if handle._cancelled:
            return
        self._host.name_asyncio()
        try:
            if self._debug:
                self._watch(handle, handle._run)
            else:
                handle._run()
        finally:
            del handle  # a failed frame holds this one by its `f_back`, from 3.12 on

    def _watch(self, handle: Any, run: Callable[[], object]) -> None:
        """Run a callback in debug mode."""
        self._current_handle = handle
        try:
            begin = self.time()
            run()
            self._report_slowness(begin, base_events._format_handle, handle)
        finally:
            self._current_handle = None
            del handle, run  # as in `_run_handle`

    def _report_slowness(self, begin: float, describe: Callable[[Any], str], what: Any) -> None:
        """Log a callback or a step of a task that has held the loop for too long."""
        seconds = self.time() - begin
        if seconds >= self.slow_callback_duration:
            base_events.logger.warning("Executing %s took %.3f seconds", describe(what), seconds)

    # -- tasks ---------------------------------------------------------------------------

    def create_task(self, coro: Any, **options: Any) -> Any:
        """See `asyncio.AbstractEventLoop.create_task`."""
        self._check_closed()
        factory = self._task_factory
        if factory is not None and factory is not EAGER_FACTORY:
            return super().create_task(coro, **options)
        return self._create_task(coro, eager=factory is not None, **options)

    def _create_task(
        self,
        coro: Any,
        *,
        name: Any = None,
        context: contextvars.Context | None = None,
        eager: bool = False,
        eager_start: bool | None = None,
    ) -> Any:
        """Make a task that is giambio's, too, whatever the task factory."""
        if isinstance(coro, Operation):
            coro = to_coroutine("create_task()", coro, (), None)
        elif not coroutines.iscoroutine(coro):
            raise TypeError(f"a coroutine was expected, got {coro!r}")
        if eager_start is not None:
            eager = eager_start
        return self._host.create_task(
            coro,
            f"Task-{base_tasks._task_name_counter()}" if name is None else str(name),
            copy_or(context),
            eager and self.is_running(),
        )

    # -- transports ----------------------------------------------------------------------

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """See `asyncio.loop.run_in_executor`; in a loop without threads the default has none."""
        if executor is not None or INSTEAD not in self._kernel._services:
            return super().run_in_executor(executor, func, *args)
        future = self.create_future()
        self.call_soon(settle, future, partial(func, *args))
        return future

    def _make_socket_transport(
        self,
        sock: Any,
        protocol: Any,
        waiter: Any = None,
        *,
        extra: Any = None,
        server: Any = None,
        context: contextvars.Context | None = None,  # from Python 3.15 on
    ) -> Any:
        self._ensure_fd_no_transport(sock)
        ready = self._ready_transports
        return StreamTransport(self, ready, sock, protocol, waiter, extra, server, context)

    def _make_datagram_transport(
        self,
        sock: Any,
        protocol: Any,
        address: Any = None,
        waiter: Any = None,
        extra: Any = None,
        context: contextvars.Context | None = None,  # from Python 3.15 on
    ) -> Any:
        self._ensure_fd_no_transport(sock)
        ready = self._ready_transports
        return DatagramTransport(self, ready, sock, protocol, address, waiter, extra, context)

    def _make_ssl_transport(
        self,
        rawsock: Any,
        protocol: Any,
        sslcontext: Any,
        waiter: Any = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: Any = None,
        server: Any = None,
        context: contextvars.Context | None = None,
        **timeouts: Any,
    ) -> Any:
        tls: Any = sslproto.SSLProtocol(
            self, protocol, sslcontext, waiter, server_side, server_hostname, **timeouts
        )
        self._make_socket_transport(rawsock, tls, extra=extra, server=server, context=context)
        return tls._app_transport

    # -- descriptors and signals -----------------------------------------------------------

    def _make_self_pipe(self) -> None:
        """Take the kernel's: its end to write to is that of signals, too."""
        self._ssock, self._csock = None, self._kernel._wakeup
        self._internal_fds += 1

    def _close_self_pipe(self) -> None:
        self._csock = None
        self._internal_fds -= 1

    def _write_to_self(self) -> None:
        self._kernel._wakeup.send()

    def _process_events(self, event_list: Any) -> None:
        """The kernel reports events to handles."""

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:
        """See `asyncio.AbstractEventLoop.add_signal_handler`."""
        super().add_signal_handler(sig, callback, *args)
        wakeup = self._kernel._wakeup
        if wakeup.on_signals != self._on_signals:
            self._on_other_signals, wakeup.on_signals = wakeup.on_signals, self._on_signals

    def _on_signals(self, numbers: set[int]) -> None:
        """Signals have come; Python has called their handlers, which for this loop do nothing."""
        ours = numbers & self._signal_handlers.keys()
        for number in ours:
            self._handle_signal(number)
        if self._on_other_signals is not None and ours != numbers:
            self._on_other_signals(numbers - ours)

    def remove_signal_handler(self, sig: int) -> bool:
        """See `asyncio.AbstractEventLoop.remove_signal_handler`."""
        removed: bool = super().remove_signal_handler(sig)
        if removed and not self._signal_handlers:
            self._listen_to_signals()  # the kernel is still to be woken by those of others
        return removed

    def _listen_to_signals(self) -> object:
        """Have Python wake the kernel when a signal comes, if it had before."""
        raise NotImplementedError


#: The factory for eager tasks, which Python has from 3.12 on.
EAGER_FACTORY = getattr(asyncio, "eager_task_factory", None)


def settle(future: Any, function: Callable[[], object]) -> None:
    """Call a function, and have a future its outcome, unless that is not wanted any more."""
    if future.cancelled():
        return
    try:
        future.set_result(function())
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        future.set_exception(exc)
