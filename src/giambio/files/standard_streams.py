"""The standard streams of the process, async, whatever is behind them.

A descriptor's flags belong to all who share it: made non-blocking, a terminal stays
so for the shell that started us. So the flags are left alone. Pipes and sockets can
be read without waiting even so (see `nowait`); a terminal is opened once more, with
flags of its own; a file on a disk is read and written as every other.

What was read ahead belongs to the stream and not to a loop. So there is one object
for each stream, which goes from loop to loop, and has a descriptor while one runs.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Literal, overload

from giambio.files.async_file import AsyncFile
from giambio.files.binary_file import BinaryFile
from giambio.files.file_state import BUFFER, FileState
from giambio.files.text_file import TextFile
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import current_kernel

__all__ = ["stderr", "stdin", "stdout"]

NUMBERS = {"stdin": 0, "stdout": 1, "stderr": 2}


class Stream:
    """A standard stream that is in use, or was."""

    __slots__ = ("core", "file")

    def __init__(self, core: FileState, file: AsyncFile[Any]) -> None:
        self.core = core
        self.file = file


#: The streams that were ever asked for.
streams: dict[str, Stream] = {}


class InUse:
    """Those that one loop uses."""

    __slots__ = ("cores",)

    def __init__(self) -> None:
        self.cores: dict[FileState, None] = {}

    def loop_ended(self, forked: bool) -> None:
        """Release the descriptors until the next loop."""
        for core in self.cores:
            core.suspend()
        self.cores.clear()


@overload
def stdin(mode: Literal["r"] = "r") -> AsyncFile[str]: ...
@overload
def stdin(mode: Literal["rb"]) -> AsyncFile[bytes]: ...
def stdin(mode: str = "r") -> AsyncFile[Any]:
    """The standard input: a pipe, a terminal, a file or a socket.

    Parameters:
        mode: ``"r"`` for text (the default), in the encoding of `sys.stdin`; ``"rb"``
            for bytes, which make it a `ReceiveStream`.

    Returns:
        An `AsyncFile`, the same one each time. What it has read ahead `sys.stdin` and
        `input` do not see, nor the other way round: use one of them.

    Raises:
        ValueError: the mode is another one, or not that of the first call.
        OSError: the process has no standard input.
        RuntimeError: no loop runs in this thread, or another loop uses it.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async for line in giambio.stdin():
        ...         print(line)
        >>> giambio.run(main)
    """
    return standard("stdin", mode, ("r", "rb"))


@overload
def stdout(mode: Literal["w"] = "w") -> AsyncFile[str]: ...
@overload
def stdout(mode: Literal["wb"]) -> AsyncFile[bytes]: ...
def stdout(mode: str = "w") -> AsyncFile[Any]:
    """The standard output. What is written goes to the system at once.

    Parameters:
        mode: ``"w"`` for text (the default), in the encoding of `sys.stdout`; ``"wb"``
            for bytes, which make it a `SendStream`.

    Returns:
        An `AsyncFile`, the same one each time. It does not know what `print` has put
        into the buffer of `sys.stdout`: flush that first, or use one of them.

    Raises:
        ValueError, OSError, RuntimeError: see `stdin`.

    Not a checkpoint. A `write` that is cancelled may have written a part.

    Example:
        >>> import giambio
        >>> async def main():
        ...     await giambio.stdout().write("hello\\n")
        >>> giambio.run(main)
    """
    return standard("stdout", mode, ("w", "wb"))


@overload
def stderr(mode: Literal["w"] = "w") -> AsyncFile[str]: ...
@overload
def stderr(mode: Literal["wb"]) -> AsyncFile[bytes]: ...
def stderr(mode: str = "w") -> AsyncFile[Any]:
    """The standard error stream; see `stdout`.

    Parameters:
        mode: ``"w"`` or ``"wb"``.

    Returns:
        An `AsyncFile`, the same one each time.

    Raises:
        ValueError, OSError, RuntimeError: see `stdin`.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     await giambio.stderr().write("oh\\n")
        >>> giambio.run(main)
    """
    return standard("stderr", mode, ("w", "wb"))


def standard(name: str, mode: str, modes: tuple[str, str]) -> AsyncFile[Any]:
    """One of the three, for the loop that is running."""
    if mode not in modes:
        raise ValueError(f"{name}() has the modes {modes[0]!r} and {modes[1]!r}, not {mode!r}")
    kernel = current_kernel()
    stream = streams.get(name)
    if stream is None or stream.core.closed:
        stream = streams[name] = make(kernel, name, mode)
    elif stream.file.mode != mode:
        raise ValueError(
            f"{name}() is in use with mode {stream.file.mode!r}: what it has read ahead cannot "
            f"be had with mode {mode!r}"
        )
    elif stream.core.fd < 0:
        stream.core.resume(kernel, os.dup(NUMBERS[name]))
    elif stream.core.kernel is not kernel:
        raise RuntimeError(f"another loop uses {name}(); let one loop use it at a time")
    used: InUse | None = kernel._services.get("standard streams")
    if used is None:
        used = kernel._services["standard streams"] = InUse()
    used.cores[stream.core] = None
    return stream.file


def make(kernel: Kernel, name: str, mode: str) -> Stream:
    """A standard stream that is used for the first time, or was closed."""
    reading = name == "stdin"
    fd = os.dup(NUMBERS[name])
    try:
        core = FileState(kernel, fd, f"<{name}>", reading, not reading, BUFFER, shared=True)
    except BaseException:
        os.close(fd)
        raise
    core.limit = 0  # nothing is kept: nobody would write it when the loop ends
    if mode.endswith("b"):
        return Stream(core, AsyncFile(core, BinaryFile(core), core.name, mode))
    model = getattr(sys, name)
    encoding = getattr(model, "encoding", None) or "utf-8"
    errors = getattr(model, "errors", None)
    text = TextFile(core, encoding, errors, None, False)
    return Stream(core, AsyncFile(core, text, core.name, mode))
