"""Serving: a task for each connection, and a server that survives its clients.

A connection that breaks ends only itself. Any other error of a handler goes to
`on_error`, and the server goes on.

A server is stopped softly, or cancelled. It must notice that at once, to accept no more, but
its handlers may be given some time. So the tasks that accept run in front of a shield, and the
handlers behind it: a cancellation becomes a soft stop there. For a soft stop the shield goes down.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, TypeAlias

from giambio.arguments import check_int, check_seconds
from giambio.errors import BrokenResourceError, ClosedResourceError, GiambioError, RunFinishedError
from giambio.kernel.coroutines import discard, name_of
from giambio.kernel.introspect import is_awaitable
from giambio.kernel.tracebacks import user_part
from giambio.net.lingering import has_unread_input, lingering_close
from giambio.net.listeners import BACKLOG, LOOPBACK, SocketListener, open_tcp_listeners
from giambio.net.socket import AsyncSocket
from giambio.streams.abc import Listener
from giambio.sync.event import Event
from giambio.sync.semaphore import Semaphore
from giambio.tasks.cancel import CancelScope
from giambio.tasks.manager import TaskManager
from giambio.tasks.stopping import cancel_on_stop
from giambio.tasks.task_status import TaskStatus
from giambio.tasks.timeouts import fail_after

__all__ = ["serve_listeners", "serve_tcp"]

Handler: TypeAlias = Callable[[Any], Awaitable[object]]
OnError: TypeAlias = Callable[[Exception, Any], object] | Literal["raise"] | None

log = logging.getLogger("giambio.serve")

#: How many seconds a client has for the TLS handshake, by default.
HANDSHAKE_TIMEOUT = 60.0


async def serve_tcp(
    handler: Handler,
    port: int,
    *,
    host: str | None = LOOPBACK,
    tls: Any = None,
    handshake_timeout: float = HANDSHAKE_TIMEOUT,
    on_error: OnError = None,
    grace: float = 0.0,
    max_connections: int | None = None,
    backlog: int = BACKLOG,
    reuse_port: bool = False,
    task_status: TaskStatus[list[SocketListener]] | None = None,
) -> None:
    """Serve TCP connections until stopped: a task for each.

    Parameters:
        handler: an async function that is called with the stream of each
            connection: an `AsyncSocket`, or a `TLSStream`. The stream is closed
            after it, and if there is unread input by `lingering_close`.
        port: a number; 0 for any free one, see below.
        host: a name or an address of this machine. ``"localhost"``, the default, is 127.0.0.1
            and, where it exists, ::1, which only programs on this machine reach. None is all
            addresses of the machine, and ``"0.0.0.0"`` all of IPv4.
        tls: an `ssl.SSLContext` with a certificate, to speak TLS.
        handshake_timeout: how many seconds a client has to agree on TLS, before
            its connection is closed; 60 by default, and `math.inf` for no limit.
        on_error: a plain function that is called with the error of a handler
            and its stream, which is still open. By default the error is logged
            with its traceback, on the logger ``giambio.serve``. An exception
            from it stops the server, so ``on_error="raise"`` raises the error itself.
        grace: how many seconds handlers may go on when the server is cancelled;
            none by default, and `math.inf` to wait for them.
        max_connections: how many connections are handled at once; no limit by default. When
            there are as many, no more are accepted, and nobody is turned away: the next ones
            wait in the backlog. (With several listeners, some may wait behind it.)
        backlog: how many connections may wait to be accepted; by default as
            many as the system allows.
        reuse_port: see `open_tcp_listeners`.
        task_status: set by `TaskManager.start`, which returns the list of
            `SocketListener` when the server listens.

    A handler that ends with `BrokenResourceError` or `ClosedResourceError` ends
    only its own connection, and so does a TLS handshake with a client that fails,
    also one that the handler began with `start_tls`; that is logged as debugging
    information only. The server also survives when the
    process is out of descriptors: see `SocketListener`.

    Stopped softly (see `CancelScope.stop`), it accepts no more connections at once, waits for the
    handlers, and returns. Cancelled, it accepts no more either, and cancels the handlers after
    `grace` seconds, in which they are stopped softly. So a handler that waits for its client in
    ``with giambio.cancel_on_stop():`` does not delay the end.

    Raises:
        TypeError, ValueError: a parameter is of the wrong type or out of range, or `handler`
            did not return an awaitable.
        socket.gaierror, OSError: it cannot listen there; see `open_tcp_listeners`.
        BaseException: an exception from `on_error`, or one from a handler that is
            no `Exception`, such as a `KeyboardInterrupt`.
        CancelledError: the task is in a cancelled scope; it has stopped then.

    A checkpoint.

    Example:
        >>> import giambio
        >>> async def echo(stream):
        ...     while data := await stream.receive():
        ...         await stream.send_all(data)
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         serve = giambio.serve_tcp
        ...         (listener,) = await manager.start(serve, echo, 0, host="127.0.0.1")
        ...         async with giambio.connect_tcp(*listener.address) as client:
        ...             await client.send_all(b"hello")
        ...             print(await client.receive())
        ...         manager.cancel()
        >>> giambio.run(main)
        b'hello'
    """
    server = Server(
        "serve_tcp()", handler, tls, on_error, grace, max_connections, handshake_timeout
    )
    listeners = await open_tcp_listeners(port, host=host, backlog=backlog, reuse_port=reuse_port)
    await server.serve(listeners, task_status)


async def serve_listeners(
    handler: Handler,
    listeners: Iterable[Listener],
    *,
    tls: Any = None,
    handshake_timeout: float = HANDSHAKE_TIMEOUT,
    on_error: OnError = None,
    grace: float = 0.0,
    max_connections: int | None = None,
    task_status: TaskStatus[list[Any]] | None = None,
) -> None:
    """Serve the connections that listeners hand out, until stopped.

    Parameters:
        handler: see `serve_tcp`, as the rest.
        listeners: any `Listener`, such as a `SocketListener` or an `AsyncSocket` that
            listens; in the end they are closed in any case.
        tls, handshake_timeout, on_error, grace, max_connections: see `serve_tcp`.
        task_status: set by `TaskManager.start`, which returns the list of listeners.

    Raises:
        TypeError, ValueError, OSError, BaseException, CancelledError: see `serve_tcp`.

    A checkpoint; see `serve_tcp`.

    Example:
        >>> import giambio
        >>> async def handler(stream):
        ...     await stream.send_all(b"hello")
        >>> async def main():
        ...     listeners = await giambio.open_tcp_listeners(0, host="127.0.0.1")
        ...     async with giambio.TaskManager() as manager:
        ...         manager.start_soon(giambio.serve_listeners, handler, listeners)
        ...         async with giambio.connect_tcp(*listeners[0].address) as client:
        ...             print(await client.receive())
        ...         manager.cancel()
        >>> giambio.run(main)
        b'hello'
    """
    what = "serve_listeners()"
    if is_awaitable(listeners) or not isinstance(listeners, Iterable):
        discard(listeners)
        raise TypeError(
            f"{what} needs a list of listeners, such as await giambio.open_tcp_listeners(port), "
            f"not {listeners!r}"
        )
    mine = [as_listener(what, listener) for listener in listeners]
    try:
        server = Server(what, handler, tls, on_error, grace, max_connections, handshake_timeout)
    except BaseException:
        close_all(mine)
        raise
    await server.serve(mine, task_status)


class Server:
    """One call of `serve_listeners`."""

    def __init__(
        self,
        what: str,
        handler: Handler,
        tls: Any,
        on_error: OnError,
        grace: float,
        max_connections: int | None,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
    ) -> None:
        if is_awaitable(handler) or not callable(handler):
            discard(handler)
            raise TypeError(
                f"{what} needs the async function that handles a connection, not {handler!r}; "
                "write it without the parentheses"
            )
        if not (on_error is None or on_error == "raise" or callable(on_error)):
            raise TypeError(f'{what} needs a function or "raise" for on_error, not {on_error!r}')
        check_seconds(what, "grace", grace)
        check_seconds(what, "handshake_timeout", handshake_timeout)
        self._what = what
        self._handler = handler
        self._tls = None if tls is None else server_context(what, tls)
        self._on_error = on_error
        self._grace = grace
        self._handshake_timeout = handshake_timeout
        self._room: Semaphore | None = None
        if max_connections is not None:
            number = "number of connections"
            self._room = Semaphore(check_int(what, "max_connections", max_connections, 1, number))
        self._stopped = Event()
        self._softly = False

    async def serve(self, listeners: list[Any], task_status: TaskStatus[Any] | None) -> None:
        """Accept until stopped, then wait for the handlers."""
        if not listeners:
            raise ValueError(f"{self._what} needs a listener, and got none")
        try:
            # Not strict, also in a loop that is: the number of managers is an internal.
            async with TaskManager(strict=False) as accepting:
                with CancelScope(shield=self._grace > 0) as handlers:
                    async with TaskManager(strict=False) as connections:
                        for listener in listeners:
                            accepting.start_soon(self._accept, listener, connections)
                        if task_status is not None:
                            task_status.started(listeners)
                        await self._stopped.wait()
                        if self._softly:
                            close_all(listeners)  # one may have a connection without room
                            handlers.shield = False
                        elif self._grace:
                            handlers.stop(grace=self._grace, reason="the server is cancelled")
        finally:
            close_all(listeners)

    async def _accept(self, listener: Listener, connections: TaskManager) -> None:
        """Hand each connection of a listener to a task of its own."""
        try:
            while (accepted := await self._next(listener)) is not None:
                if not await self._begin(*accepted, connections):
                    return
            self._softly = True
        finally:
            listener.close_now()
            self._stopped.set()

    async def _next(self, listener: Listener) -> tuple[Any, Any] | None:
        """Return the next connection and its address; None if the server is stopped softly."""
        accepted = None
        with cancel_on_stop():
            if self._room is not None:
                async with self._room:
                    pass  # the connection will take it
            accepted = await listener.accept()
        return accepted

    async def _begin(self, stream: Any, address: Any, connections: TaskManager) -> bool:
        """Have a connection handled in a task of its own, as soon as there is room for it.

        Returns:
            False if the server has stopped, and it came too late.
        """
        begun = False
        try:
            if self._room is not None:
                await self._room.acquire()
            connections.start_soon(self._handle, stream, address)
            begun = True
        except RunFinishedError:
            pass
        finally:
            if not begun:
                stream.close_now()
        return begun

    async def _handle(self, stream: Any, address: Any) -> None:
        """Run the handler of a connection.

        The log names the address, also when the connection cannot be asked for it any more.
        """
        connection = stream
        try:
            if self._tls is not None:
                encrypted = await self._encrypted(stream, address)
                if encrypted is None:
                    return
                stream = encrypted
            try:
                result = self._handler(stream)
                if is_awaitable(result):
                    await result
                    if has_unread_input(connection):
                        await lingering_close(stream)
                    else:
                        await stream.close()  # TLS says goodbye
                    return
            except Exception as exc:
                self._failed(exc, stream, address)
                return
            raise TypeError(
                f"{self._what} needs an async function, but {name_of(self._handler)}() "
                f"returned {result!r}, which cannot be awaited; define it with `async def`"
            )
        finally:
            stream.close_now()
            if self._room is not None:
                self._room.release()

    async def _encrypted(self, stream: Any, address: Any) -> Any:
        """Return the connection with TLS on it, or None if the handshake failed."""
        from giambio.net.tls.start_tls import start_tls

        try:
            with fail_after(self._handshake_timeout):
                return await start_tls(stream, self._tls, server_side=True)
        except (OSError, GiambioError) as exc:
            log.debug("the TLS handshake with %s failed: %s", named(address), exc)
            return None

    def _failed(self, exc: Exception, stream: Any, address: Any) -> None:
        """A handler ended with an error: report it, unless only the connection broke."""
        error = unexpected(user_part(exc))
        if error is None:
            log.debug("the connection from %s broke: %s", named(address), exc)
        elif self._on_error is None:
            text = "the handler of the connection from %s failed"
            log.error(text, named(address), exc_info=error)
        elif self._on_error == "raise":
            raise error
        elif is_awaitable(result := self._on_error(error, stream)):
            discard(result)
            raise TypeError(
                f"{self._what} needs a plain function for on_error, not an async one: "
                f"{name_of(self._on_error)}() returned {result!r}"
            )


def as_listener(what: str, listener: Listener) -> Listener:
    """Return a listener that survives errors which are no fault of its own.

    Raises:
        TypeError: it is no listener.
    """
    if isinstance(listener, AsyncSocket):
        return SocketListener(listener)
    if not isinstance(listener, Listener):
        raise TypeError(f"{what} needs objects of the kind of giambio.Listener, not {listener!r}")
    return listener


def server_context(what: str, context: Any) -> Any:
    """Return the context itself, if a server can use it.

    Raises:
        TypeError: it is no context.
        ValueError: it is a client's.
    """
    import ssl

    if not isinstance(context, ssl.SSLContext):
        raise TypeError(f"{what} needs an ssl.SSLContext for tls, not {context!r}")
    if context.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise ValueError(
            f"{what} got a client's context for tls; make a server's with "
            "ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) and load_cert_chain()"
        )
    return context


def unexpected(exc: Exception) -> Exception | None:
    """Return an error without the part about broken connections; None if nothing is left."""
    if isinstance(exc, ExceptionGroup):
        return exc.split(is_a_broken_connection)[1]
    return None if is_a_broken_connection(exc) else exc


def is_a_broken_connection(exc: BaseException) -> bool:
    """Tell whether an error means no more than that, or that a client does not agree on TLS."""
    broken = isinstance(exc, (BrokenResourceError, ClosedResourceError))
    return broken or getattr(exc, "by_a_client", False)


def named(address: Any) -> object:
    """Return the address of the other side, as the log names it."""
    return address or "a Unix socket without a name"


def close_all(listeners: Iterable[Listener]) -> None:
    """Close listeners."""
    for listener in listeners:
        listener.close_now()
