"""The program of a worker process: it calls what it is sent, until nobody sends any more.

It is started by `worker_pool.WorkerProcess`, with the numbers of two pipes. What the
functions print goes where the owner's output goes; there is no input. Ctrl-C is
left to the owner, who kills the worker when the call is cancelled.
"""

from __future__ import annotations

import os
import signal
import sys
import types
from types import FrameType
from typing import Any

from giambio.processes import worker_protocol as protocol
from giambio.threads.call import refuse_async

__all__ = ["loading_main", "main"]

#: Whether the program's main module is being imported: then it must not start over.
_loading_main = False


def loading_main() -> bool:
    """Tell whether this is a worker process that imports the program's main module."""
    return _loading_main


def main(requests: int, replies: int) -> None:
    """Work.

    Parameters:
        requests: the descriptor to read from.
        replies: the descriptor to write to.
    """
    signal.signal(signal.SIGINT, leave_to_owner)
    described = read_frame(requests)
    if described is None:
        return
    protocol.inherited = protocol.Main(*protocol.loads(described))
    while (request := read_frame(requests)) is not None:
        reply = reply_to(request)
        for stream in (sys.stdout, sys.stderr):
            flush(stream)
        if not write(replies, protocol.frame(reply)):
            return
        del request, reply


def leave_to_owner(number: int, frame: FrameType | None) -> None:
    """A handler, and not SIG_IGN, which the programs that a function starts would inherit."""


def reply_to(request: bytes) -> bytes:
    """Call a function, and pickle what comes of it."""
    try:
        function, args = protocol.loads(request, load_main)
        returned = function(*args)
        refuse_async("to_process()", function, returned, "run it with giambio.run()")
    except BaseException as exc:
        return protocol.failure(exc)
    return protocol.success(function, returned)


def load_main() -> None:
    """Import the program's main module, once, as multiprocessing does: under another name."""
    global _loading_main
    if protocol.COPY_OF_MAIN in sys.modules:
        return
    import runpy

    described = protocol.describe_main()
    sys.argv = list(described.arguments)
    module = types.ModuleType(protocol.COPY_OF_MAIN)
    _loading_main = True
    try:
        if described.name is not None:
            name = described.name
            content = runpy.run_module(name, run_name=protocol.COPY_OF_MAIN, alter_sys=True)
        elif described.path is not None:
            content = runpy.run_path(described.path, run_name=protocol.COPY_OF_MAIN)
        else:
            raise TypeError(
                "to_process() cannot run what is defined in this program's main module, which "
                "another process cannot import (it was typed in, or is the __main__ of a "
                "package); define it in a module of its own"
            )
    finally:
        _loading_main = False
    module.__dict__.update(content)
    sys.modules["__main__"] = sys.modules[protocol.COPY_OF_MAIN] = module


def read_frame(descriptor: int) -> bytes | None:
    """The next frame; None if there is none any more."""
    header = read_exactly(descriptor, protocol.HEADER)
    return None if header is None else read_exactly(descriptor, int.from_bytes(header, "big"))


def read_exactly(descriptor: int, size: int) -> bytes | None:
    """So many bytes; None if the owner has gone."""
    data = bytearray()
    while len(data) < size:
        part = os.read(descriptor, min(size - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return bytes(data)


def write(descriptor: int, data: bytes) -> bool:
    """Write all of it; False if the owner has gone."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        return False
    return True


def flush(stream: Any) -> None:
    """What was printed is to be seen even if the worker is killed later."""
    if stream is not None:
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # closed; the function's own affair
