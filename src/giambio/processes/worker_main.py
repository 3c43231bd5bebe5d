"""The program of a worker process: it serves calls until its owner closes the pipes.

`worker_pool.WorkerProcess` starts it, with the descriptors of two pipes. The output of the
functions goes where the owner's output goes; there is no input. Ctrl-C is left to the
owner, which kills the worker when the call is cancelled.
"""

from __future__ import annotations

import signal
import sys
import types
from contextlib import suppress
from types import FrameType
from typing import BinaryIO

from giambio.processes import worker_protocol as protocol
from giambio.threads.call import refuse_async

__all__ = ["main"]

#: Whether the program's main module is being imported: then it must not start over.
loading_main = False


def main(requests: int, replies: int) -> None:
    """Serve calls until the owner has gone.

    Parameters:
        requests: the descriptor to read from.
        replies: the descriptor to write to.
    """
    signal.signal(signal.SIGINT, leave_to_owner)
    # The owner may go at any time.
    with suppress(BrokenPipeError), open(requests, "rb") as reader, open(replies, "wb") as writer:
        if described := read_frame(reader):
            protocol.inherited = protocol.loads(described)
        while request := read_frame(reader):
            reply = reply_to(request)
            for stream in filter(None, (sys.stdout, sys.stderr)):
                # Output is to be seen even if the worker is killed later. A closed stream is
                # the function's own affair.
                with suppress(OSError, ValueError):
                    stream.flush()
            writer.write(protocol.frame(reply))
            writer.flush()
            del request, reply


def read_frame(reader: BinaryIO) -> bytes:
    """The next frame; empty if the owner has gone."""
    return reader.read(int.from_bytes(reader.read(protocol.HEADER), "big"))


def leave_to_owner(number: int, frame: FrameType | None) -> None:
    """A handler, and not SIG_IGN, which the programs that a function starts would inherit."""


def reply_to(request: bytes) -> bytes:
    """Call a function, and pickle its outcome."""
    try:
        function, args = protocol.loads(request, load_main)
        returned = function(*args)
        refuse_async("to_process()", function, returned, "run it with giambio.run()")
    except BaseException as exc:
        return protocol.failure(exc)
    return protocol.success(function, returned)


def load_main() -> None:
    """Import the program's main module, once, as multiprocessing does: under another name."""
    global loading_main
    if protocol.COPY_OF_MAIN in sys.modules:
        return
    import runpy

    described = protocol.describe_main()
    sys.argv = list(described.arguments)
    module = types.ModuleType(protocol.COPY_OF_MAIN)
    loading_main = True
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
        loading_main = False
    module.__dict__.update(content)
    sys.modules["__main__"] = sys.modules[protocol.COPY_OF_MAIN] = module
