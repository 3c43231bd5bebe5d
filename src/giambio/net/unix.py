"""Unix sockets: connections between the processes of one machine."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import ExitStack, suppress

from giambio.arguments import check_int
from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.kernel.opening import Opening
from giambio.kernel.operation import current_kernel
from giambio.net.address import parse_path
from giambio.net.listeners import BACKLOG, SocketListener
from giambio.net.serving import Handler, OnError, Server
from giambio.net.socket import AsyncSocket, wrap_socket
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


def connect_unix(path: str | bytes | os.PathLike[str]) -> Opening[AsyncSocket]:
    """Connect to a Unix socket that another process listens on.

    Parameters:
        path: the path of its file; with a null character in front, a name in
            Linux's abstract name space.

    Returns:
        Awaited, or entered with ``async with``: an `AsyncSocket`.

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
        ...     async with giambio.open_unix_listener("\\0example") as listener:
        ...         async with giambio.connect_unix("\\0example") as client:
        ...             server, _ = await listener.accept()
        ...             async with server:
        ...                 await server.send_all(b"hello")
        ...                 return await client.receive()
        >>> giambio.run(main)
        b'hello'
    """
    return Opening("connect_unix()", connect(parse_path(path)))


async def connect(target: str | bytes) -> AsyncSocket:
    """Do the work of `connect_unix`."""
    sock = wrap_socket(unix_socket())
    try:
        await sock.connect(target)
    except BaseException:
        sock.close_now()
        raise
    return sock


def open_unix_listener(
    path: str | bytes | os.PathLike[str], *, mode: int | None = None, backlog: int = BACKLOG
) -> Opening[SocketListener]:
    """Listen on a Unix socket.

    Parameters:
        path: the path of the file to be made; with a null character in front, a
            name in Linux's abstract name space.
        mode: the permissions of the file, such as ``0o600``; by default as the
            umask leaves them. Connections are refused until they are set.
        backlog: how many connections may wait to be accepted; by default as
            many as the system allows.

    Returns:
        Awaited, or entered with ``async with``: a `SocketListener`. The file is
        removed when it is closed. A file that was left behind by a server which
        no longer runs is replaced.

    Raises:
        TypeError, ValueError: a parameter is of the wrong type or out of range.
        OSError: a server is listening there already, the file is no socket, or
            the directory does not allow it.
        CancelledError: the task is in a cancelled scope.

    Half a checkpoint: it notices cancellation and never waits.

    Example:
        >>> import giambio, os, tempfile
        >>> async def main():
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         path = os.path.join(folder, "socket")
        ...         async with giambio.open_unix_listener(path, mode=0o600):
        ...             print(oct(os.stat(path).st_mode))
        ...         return os.path.exists(path)
        >>> giambio.run(main)
        0o140600
        False
    """
    target = parse_path(path)
    check_int("open_unix_listener()", "backlog", backlog, 0, "number of connections")
    if mode is not None and is_abstract(target):
        raise ValueError(f"an abstract Unix socket has no file and no mode, {target!r} is one")
    return Opening("open_unix_listener()", listen(target, mode, backlog))


async def listen(target: str | bytes, mode: int | None, backlog: int) -> SocketListener:
    """Do the work of `open_unix_listener`, whose arguments were checked."""
    await checkpoint_if_cancelled()
    with ExitStack() as opened:
        plain = opened.enter_context(unix_socket())
        bind_to_path(plain, target)
        if not is_abstract(target):
            # The directory may be changed before the file is removed.
            opened.callback(remove_file, os.path.abspath(target), identity(target))
        if mode is not None:
            os.chmod(target, mode)
        plain.listen(backlog)
        listener = SocketListener(wrap_socket(plain))
        listener._on_close = opened.pop_all()
        return listener


def remove_file(path: str | bytes, expected: tuple[int, int]) -> None:
    """Remove the file of a socket, unless another file has taken its place meanwhile."""
    with suppress(OSError):
        if identity(path) == expected:
            os.unlink(path)


def identity(path: str | bytes) -> tuple[int, int]:
    """Return the numbers that tell a file from another one of the same name."""
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def bind_to_path(sock: socket.socket, path: str | bytes) -> None:
    """Bind a Unix socket, and replace a file that a dead server has left behind.

    Raises:
        OSError: a server is listening there, the file is no socket, or the
            directory does not allow it. The message names the path.
    """
    try:
        try:
            sock.bind(path)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE or not is_left_behind(path):
                raise
            os.unlink(path)
            sock.bind(path)
    except OSError as exc:
        if exc.errno is None:  # Python's own: the path is too long
            raise
        raise OSError(exc.errno, f"{exc.strerror}: {path!r}") from None


def is_left_behind(path: str | bytes) -> bool:
    """Tell whether a file is a socket that nobody listens on."""
    if is_abstract(path) or not stat.S_ISSOCK(os.lstat(path).st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == errno.ECONNREFUSED


def is_abstract(path: str | bytes) -> bool:
    """Tell whether a path is a name in Linux's abstract name space, which has no files."""
    return path[:1] in ("\0", b"\0")


async def serve_unix(
    handler: Handler,
    path: str | bytes | os.PathLike[str],
    *,
    mode: int | None = None,
    on_error: OnError = None,
    grace: float = 0.0,
    max_connections: int | None = None,
    backlog: int = BACKLOG,
    task_status: TaskStatus[list[SocketListener]] | None = None,
) -> None:
    """Serve the connections to a Unix socket until stopped: a task for each.

    Parameters:
        handler: an async function that is called with the `AsyncSocket` of each
            connection, which is closed after it.
        path, mode, backlog: see `open_unix_listener`.
        on_error, grace, max_connections: see `serve_tcp`.
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
        ...         async with giambio.connect_unix("\\0example") as client:
        ...             print(await client.receive())
        ...         manager.cancel()
        >>> giambio.run(main)
        b'hello'
    """
    server = Server("serve_unix()", handler, None, on_error, grace, max_connections)
    listener = await open_unix_listener(path, mode=mode, backlog=backlog)
    await server.serve([listener], task_status)
