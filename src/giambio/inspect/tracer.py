"""`Tracer`: a trace of the running loop, written to a file while the program goes on."""

from __future__ import annotations

import os
import threading
import typing
from contextlib import ExitStack
from time import monotonic
from typing import Any, Self

from giambio._build.sealed import final
from giambio.inspect.own_threads import own_threads
from giambio.inspect.recorder import Recorder
from giambio.inspect.trace_events import LoopTrace, TraceFile
from giambio.kernel.blocks import refuse_async_with
from giambio.kernel.operation import current_kernel
from giambio.threads.workers import daemons_allowed

__all__ = ["Tracer"]

#: After so many seconds what has happened is in the file, also if the loop hangs.
SECONDS_UNWRITTEN = 0.1


@typing.final  # for type checkers
@final
class Tracer:
    """Writes a trace of the running loop: ``with giambio.Tracer("trace.json"): ...``

    The file opens in https://ui.perfetto.dev and ``chrome://tracing``. Each task has a track, with
    the times in which it ran, what it waited for in between, and the scopes that it was in; the
    loop has one with its turns and callbacks. Arrows lead from who has woken or spawned a task to
    that task. Counters show how many tasks are ready, how late the loop is, and how full queues
    are.

    Parameters:
        path: the file's name; a file that is there is replaced.

    What happens is in the file a tenth of a second later, so it can be read after a crash, too.
    A thread writes it, which does not keep `DeadlockError` quiet.

    Raises:
        RuntimeError: on entering: no loop runs in this thread, or it was entered before.
        OSError: on entering or leaving: the file cannot be written.

    Not a checkpoint. A cancellation in the block leaves a complete file.

    Example:
        >>> import giambio, json, os, tempfile
        >>> async def main(path):
        ...     with giambio.Tracer(path):
        ...         await giambio.sleep(0.01)
        >>> path = os.path.join(tempfile.mkdtemp(), "trace.json")
        >>> giambio.run(main, path)
        >>> with open(path) as file:
        ...     names = {event.get("name") for event in json.load(file)}
        >>> sorted(name for name in names if name and name.startswith("waits"))
        ['waits: sleep()']
    """

    __slots__ = (
        "__weakref__",
        "_ended",
        "_file",
        "_lock",
        "_loop_trace",
        "_path",
        "_problem",
        "_recorder",
        "_thread",
        "_trace",
    )

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._file: Any = None
        self._problem: OSError | None = None

    def __enter__(self) -> Self:
        if self._file is not None:
            raise RuntimeError("this Tracer was entered already; make a new one")
        kernel = current_kernel()
        self._file = open(self._path, "w", encoding="utf-8")  # __exit__ closes it
        with ExitStack() as undo:
            undo.callback(self._file.close)
            self._trace = TraceFile(self._file, monotonic())
            self._loop_trace = LoopTrace(self._trace, 1, f"process {os.getpid()}")
            self._recorder = Recorder(kernel, lambda _: self._write())
            self._thread = threading.Thread(
                target=self._write_always, name="giambio-tracer", daemon=daemons_allowed()
            )
            own_threads.add(self)
            undo.callback(own_threads.discard, self)
            self._thread.start()
            undo.callback(self._thread.join)
            undo.callback(self._ended.set)
            self._recorder.start()
            undo.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._recorder.stop()
        self._ended.set()
        self._thread.join()
        own_threads.discard(self)
        self._write()
        with self._file:
            if self._problem is not None:
                raise self._problem
            self._loop_trace.finish()
            self._trace.finish()

    __aenter__ = __aexit__ = refuse_async_with

    def _write_always(self) -> None:
        """Write, again and again; in the thread."""
        while not self._ended.wait(SECONDS_UNWRITTEN):
            self._write()

    def _write(self) -> None:
        """Write what has happened since the last time; an error is raised when the block ends."""
        with self._lock:
            events = self._recorder.taken()
            if self._problem is not None:
                return
            try:
                self._loop_trace.add(events)
            except OSError as exc:
                self._problem = exc
