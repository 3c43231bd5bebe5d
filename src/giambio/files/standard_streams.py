"""The standard streams of the process, async, for pipes, terminals, files and sockets.

A descriptor's flags are shared with other processes: a terminal made non-blocking stays
so for the shell that started us. So the flags are left alone. Pipes and sockets can
be read without waiting all the same (see `nowait`); a terminal is opened once more, with
flags of its own; a file on a disk is read and written like any other.

Data that was read ahead belongs to the stream and not to a loop. So there is one object
for each stream, which moves from loop to loop, and has a descriptor while one runs.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Literal, overload

from giambio.files.async_file import AsyncFile
from giambio.files.file_state import FileState
from giambio.files.open import make_file
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import current_kernel

__all__ = ["stderr", "stdin", "stdout"]

NUMBERS = {"stdin": 0, "stdout": 1, "stderr": 2}


#: The streams that were ever asked for, by name.
streams: dict[str, AsyncFile[Any]] = {}
#: Held to hand one out: two loops may ask for the same.
handing_out = threading.Lock()


class InUse(dict[FileState, None]):
    """The streams that one loop uses; a service of its kernel."""

    def loop_ended(self, forked: bool) -> None:
        """Release the descriptors until the next loop."""
        for state in self:
            state.suspend()
        self.clear()


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
    """The standard output. Data goes to the system at once.

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
    """Return one of the three, for the running loop."""
    if mode not in modes:
        raise ValueError(f"{name}() has the modes {modes[0]!r} and {modes[1]!r}, not {mode!r}")
    with handing_out:
        return handed_out(name, mode, current_kernel())


def handed_out(name: str, mode: str, kernel: Kernel) -> AsyncFile[Any]:
    """Return one of the three, for a loop, which has it from now on."""
    file = streams.get(name)
    if file is None or file._file.closed:
        model = getattr(sys, name)
        encoding = getattr(model, "encoding", None) or "utf-8"
        text = (encoding, getattr(model, "errors", None), None)
        fd = os.dup(NUMBERS[name])
        file = streams[name] = make_file(fd, f"<{name}>", mode, -1, *text, shared=True)
        file._file.limit = 0  # unbuffered output: nobody would flush it when the loop ends
    state: FileState = file._file
    if file.mode != mode:
        raise ValueError(
            f"{name}() is in use with mode {file.mode!r}: what it has read ahead cannot "
            f"be had with mode {mode!r}"
        )
    if state.fd < 0:
        state.resume(kernel, os.dup(NUMBERS[name]))
    elif state.kernel is not kernel:
        raise RuntimeError(f"another loop uses {name}(); let one loop use it at a time")
    kernel._services.setdefault("standard streams", InUse())[state] = None
    return file
