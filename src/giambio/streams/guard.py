"""The checks of every stream: one task at each end, sizes and bytes; and its errors."""

from __future__ import annotations

from typing import Any

from giambio.errors import BrokenResourceError, BusyResourceError, ClosedResourceError
from giambio.streams.abc import ReceiveStream, SendStream

__all__ = [
    "Guard",
    "bytes_like",
    "check_size",
    "closed_error",
    "half_sent_error",
    "to_receive_from",
    "to_send_on",
]


class Guard:
    """Lets one task in at a time; a second one is an error.

    Two tasks that receive from one stream would each get pieces that the other
    one needs. So this is no lock: waiting would not help.
    """

    __slots__ = ("_doing", "_task", "busy")

    def __init__(self, doing: str, task: str) -> None:
        self._doing = doing
        self._task = task
        self.busy = False

    def __enter__(self) -> None:
        if self.busy:
            raise busy_error(f"{self._doing} this stream", self._task)
        self.busy = True

    def __exit__(self, *exc_info: object) -> None:
        self.busy = False


def to_receive_from(stream: object) -> ReceiveStream:
    """Return the stream below a wrapper, to receive from.

    Raises:
        TypeError: it can only send.
    """
    if not isinstance(stream, ReceiveStream):
        raise TypeError(f"there is nothing to receive from: {stream!r} is no ReceiveStream")
    return stream


def to_send_on(stream: object) -> SendStream:
    """Return the stream below a wrapper, to send on.

    Raises:
        TypeError: it can only receive.
    """
    if not isinstance(stream, SendStream):
        raise TypeError(f"there is nothing to send on: {stream!r} is no SendStream")
    return stream


def check_size(what: str, name: str, size: object, least: int = 1) -> None:
    """Raise unless `size` is a number of bytes.

    Raises:
        TypeError, ValueError: it is not a whole number from `least` up.
    """
    if not isinstance(size, int):
        raise TypeError(f"{what} needs a whole number of bytes as {name}, not {size!r}")
    if size < least:
        raise ValueError(f"{what} needs a number of bytes from {least} up as {name}, not {size!r}")


def bytes_like(what: str, data: Any) -> memoryview:
    """Return data as a view, which can be cut without copying.

    Raises:
        TypeError: it is not bytes-like, or has gaps.
    """
    try:
        view = memoryview(data)
    except TypeError:
        hint = "; encode text first: data.encode()" if isinstance(data, str) else ""
        raise TypeError(
            f"{what} needs a bytes-like object, not {type(data).__name__}{hint}"
        ) from None
    if not view.c_contiguous:
        raise TypeError(f"{what} needs a contiguous buffer, and this memoryview has gaps")
    return view.cast("B")


def closed_error() -> ClosedResourceError:
    """The error of using a closed stream."""
    return ClosedResourceError("this stream is closed")


def busy_error(doing: str, task: str) -> BusyResourceError:
    """The error of a second task at one end, such as that of receiving."""
    return BusyResourceError(
        f"another task is {doing}; let one task {task}, or take turns with a lock"
    )


def half_sent_error(kind: str = "stream") -> BrokenResourceError:
    """The error of sending after a `send_all` or `send_file` that was cut short."""
    return BrokenResourceError(
        "an earlier send_all() or send_file() was cancelled or failed when a part was sent, so "
        f"what follows would make no sense to the other side; close this {kind} (receiving still "
        "works)"
    )
