"""Unix sockets: connections between the processes of one machine."""

from __future__ import annotations

import errno
import os
import socket

from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.kernel.operation import current_kernel
from giambio.net.address import parse_path
from giambio.net.binding import check_backlog
from giambio.net.listeners import BACKLOG, SocketListener
from giambio.net.serving import Handler, OnError, Server
from giambio.net.socket import AsyncSocket, wrap_socket
from giambio.net.socketfile import SocketFile, bind_to_path, is_abstract
from giambio.tasks.task_status import TaskStatus

__all__ = ["connect_unix", "open_unix_listener", "serve_unix", "socketpair"]


def socketpair() -> tuple[AsyncSocket, AsyncSocket]:
    """Make two sockets that are connected with each other.

    Returns:
        A pair of `AsyncSocket`; on Windows they speak TCP.

    Raises:
        RuntimeError: no loop runs in this thread.
        OSError: the system refuses.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     left, right = giambio.socketpair()
        ...     with left, right:
        ...         await left.send_all(b"hello")
        ...         return await right.receive()
        >>> giambio.run(main)
        b'hello'
    """
    current_kernel()
    left, right = socket.socketpair()
    return wrap_socket(left), wrap_socket(right)


def unix_socket() -> socket.socket:
    """A new Unix socket.

    Raises:
        OSError: this system has none.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no Unix sockets")
    return socket.socket(socket.AF_UNIX)


async def connect_unix(path: str | bytes | os.PathLike[str]) -> AsyncSocket:
    """Connect to a Unix socket that another process listens on.

    Parameters:
        path: the path of its file; with a null character in front, a name in
            Linux's abstract name space.

    Returns:
        An `AsyncSocket`.

    Raises:
        TypeError, ValueError: it is no path.
        FileNotFoundError: there is no such file.
        ConnectionRefusedError: nobody listens there.
        OSError: another reason, such as a `PermissionError`.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, nothing is left open.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with await giambio.open_unix_listener("\\0example") as listener:
        ...         async with await giambio.connect_unix("\\0example") as client:
        ...             server, _ = await listener.accept()
        ...             async with server:
        ...                 await server.send_all(b"hello")
        ...                 return await client.receive()
        >>> giambio.run(main)
        b'hello'
    """
    target = parse_path(path)
    sock = wrap_socket(unix_socket())
    try:
        await sock.connect(target)
    except BaseException:
        sock.close_now()
        raise
    return sock


async def open_unix_listener(
    path: str | bytes | os.PathLike[str], *, mode: int | None = None, backlog: int = BACKLOG
) -> SocketListener:
    """Listen on a Unix socket.

    Parameters:
        path: the path of the file to be made; with a null character in front, a
            name in Linux's abstract name space.
        mode: the permissions of the file, such as ``0o600``; what the umask
            leaves by default. Nobody can connect before they are set.
        backlog: how many connections may wait to be accepted; by default as
            many as the system allows.

    Returns:
        A `SocketListener`. The file is removed when it is closed. One that a
        server has left behind that is not running any more is replaced.

    Raises:
        TypeError, ValueError: a parameter is not what it must be.
        OSError: a server is listening there already, the file is no socket, or
            the directory does not allow it.
        CancelledError: the task is in a cancelled scope.

    Half a checkpoint: it notices cancellation and never waits.

    Example:
        >>> import giambio, os, tempfile
        >>> async def main():
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         path = os.path.join(folder, "socket")
        ...         async with await giambio.open_unix_listener(path, mode=0o600):
        ...             print(oct(os.stat(path).st_mode))
        ...         return os.path.exists(path)
        >>> giambio.run(main)
        0o140600
        False
    """
    await checkpoint_if_cancelled()
    return listen_at(parse_path(path), mode, backlog)


def listen_at(path: str | bytes, mode: int | None, backlog: int) -> SocketListener:
    """See `open_unix_listener`."""
    check_backlog("open_unix_listener()", backlog)
    abstract = is_abstract(path)
    if abstract and mode is not None:
        raise ValueError(f"an abstract Unix socket has no file and no mode, {path!r} is one")
    plain = unix_socket()
    file = None
    try:
        bind_to_path(plain, path)
        if not abstract:
            file = SocketFile(path)
        if mode is not None:
            os.chmod(path, mode)
        plain.listen(backlog)
    except BaseException:
        plain.close()
        if file is not None:
            file.remove()
        raise
    listener = SocketListener(wrap_socket(plain))
    listener._file = file
    return listener


async def serve_unix(
    handler: Handler,
    path: str | bytes | os.PathLike[str],
    *,
    mode: int | None = None,
    on_error: OnError = None,
    grace: float = 0.0,
    backlog: int = BACKLOG,
    task_status: TaskStatus[list[SocketListener]] | None = None,
) -> None:
    """Serve the connections to a Unix socket until cancelled: a task for each.

    Parameters:
        handler: an async function that is called with the `AsyncSocket` of each
            connection, which is closed after it.
        path, mode, backlog: see `open_unix_listener`.
        on_error, grace: see `serve_tcp`.
        task_status: set by `TaskManager.start`, which returns a list of the one
            `SocketListener`.

    Raises:
        TypeError, ValueError, OSError: see `open_unix_listener`.
        BaseException, CancelledError: see `serve_tcp`.

    A checkpoint; see `serve_tcp`.

    Example:
        >>> import giambio
        >>> async def handler(stream):
        ...     await stream.send_all(b"hello")
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         await manager.start(giambio.serve_unix, handler, "\\0example")
        ...         async with await giambio.connect_unix("\\0example") as client:
        ...             print(await client.receive())
        ...         manager.cancel()
        >>> giambio.run(main)
        b'hello'
    """
    server = Server("serve_unix()", handler, None, on_error, grace)
    listener = await open_unix_listener(path, mode=mode, backlog=backlog)
    await server.serve([listener], task_status)
