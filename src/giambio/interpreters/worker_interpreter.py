"""Interpreters that serve calls, each in a thread of its own.

An interpreter belongs to one worker thread, is made for its first call, and ends with the thread:
when no call has come for a while, or at exit. So a function finds in each call the thread that
made its modules' objects, on which some of them insist (SQLite's connections). What runs in the
interpreter are the Python modules of giambio, and the requests are those of `to_process`.

How to make an interpreter and call into it differs by the version of Python: there is a module
for it from 3.14 on, and 3.13 has the private ones underneath, which AnyIO uses too.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any, ClassVar

from giambio.errors import BrokenWorkerInterpreter
from giambio.processes import worker_protocol
from giambio.threads.call import ThreadCall
from giambio.threads.workers import Worker, end_idle_workers, kinds, start

__all__ = ["call", "check_python", "submit"]

#: How long an interpreter is kept without a call.
IDLE_SECONDS = 30.0

if sys.version_info >= (3, 14):
    from concurrent import interpreters

    class Interpreter:
        """An interpreter with a GIL of its own."""

        def __init__(self) -> None:
            self._interpreter = interpreters.create()

        def run(self, code: str) -> None:
            """Run code in it."""
            self._interpreter.exec(code)

        def reply_to(self, request: bytes) -> bytes:
            """See `worker_protocol.reply_to`."""
            reply: bytes = self._interpreter.call(worker_protocol.reply_to, request)
            return reply

        def close(self) -> None:
            """End it."""
            self._interpreter.close()

else:
    #: Bytes need no pickling, and stay when their interpreter ends.
    AS_IT_IS, UNBOUND = 0, 2

    class Interpreter:
        """An interpreter with a GIL of its own."""

        def __init__(self) -> None:
            self._interpreters: Any = import_module("_interpreters")
            self._queues: Any = import_module("_interpqueues")
            self._id = self._interpreters.create()
            self._queue = self._queues.create(1, AS_IT_IS, UNBOUND)

        def run(self, code: str) -> None:
            """Run code in it."""
            failed = self._interpreters.exec(self._id, code)
            if failed is not None:
                raise RuntimeError(failed.errdisplay or failed.formatted)

        def reply_to(self, request: bytes) -> bytes:
            """See `worker_protocol.reply_to`."""
            self._queues.put(self._queue, request, AS_IT_IS, UNBOUND)
            self.run(
                "import _interpqueues; from giambio.processes import worker_protocol\n"
                f"_interpqueues.put({self._queue}, worker_protocol.reply_to("
                f"_interpqueues.get({self._queue})[0]), {AS_IT_IS}, {UNBOUND})"
            )
            reply: bytes = self._queues.get(self._queue)[0]
            return reply

        def close(self) -> None:
            """End it."""
            self._queues.destroy(self._queue)
            self._interpreters.destroy(self._id)


class InterpreterThread(Worker):
    """A worker thread, and the interpreter that it calls functions in."""

    idle: ClassVar[dict[Worker, None]] = {}

    def __init__(self, jobs: Iterator[ThreadCall]) -> None:
        super().__init__(jobs)
        self._interpreter: Any = None

    def run(self) -> None:
        """See `Worker.run`; the interpreter ends with it."""
        try:
            super().run()
        finally:
            self._close()

    def _patience(self) -> float:
        return super()._patience() and IDLE_SECONDS

    def reply_to(self, request: bytes) -> bytes:
        """Have a call done.

        Raises:
            BrokenWorkerInterpreter: the interpreter cannot be made or used.
        """
        try:
            if self._interpreter is None:
                self._interpreter = Interpreter()
                self._interpreter.run(preparation())
            reply: bytes = self._interpreter.reply_to(request)
        except Exception as exc:
            self._close()
            raise BrokenWorkerInterpreter(f"a worker interpreter cannot be used: {exc}") from exc
        return reply

    def _close(self) -> None:
        interpreter = self._interpreter
        self._interpreter = None
        if interpreter is not None:
            interpreter.close()


kinds.append(InterpreterThread)
if hasattr(os, "register_at_fork"):
    # The child of a process with several interpreters crashes while Python prepares it.
    os.register_at_fork(before=lambda: end_idle_workers(InterpreterThread))


@atexit.register
def end_interpreters() -> None:
    """End those that are idle. One that an abandoned call still uses ends with the process."""
    end_idle_workers(InterpreterThread)
    if any(isinstance(thread, InterpreterThread) for thread in threading.enumerate()):
        # Python would tell the user to end it, which nobody can.
        warnings.filterwarnings("ignore", "remaining subinterpreters", RuntimeWarning)


def preparation() -> str:
    """Return what an interpreter runs first, so that it finds what this program finds."""
    return (
        f"{worker_protocol.same_path()}\n"
        "from giambio.processes.worker_protocol import inherit_main\n"
        f"inherit_main({worker_protocol.describe_main()!r})"
    )


def check_python() -> None:
    """Raise unless this Python can do it.

    Raises:
        NotImplementedError: it is too old.
    """
    if sys.version_info < (3, 13):
        raise NotImplementedError(
            "to_interpreter() needs Python 3.13 or newer, and this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}; to_process() works here too"
        )


def submit(job: ThreadCall) -> None:
    """Have a job, which is a `call`, run at once in a thread that has an interpreter.

    Raises:
        RuntimeError: the system refuses to start a thread.
    """
    start(iter((job,)), InterpreterThread)


def call(request: bytes) -> Any:
    """Have a request done by this thread's interpreter, and return the function's result.

    Raises:
        BaseException: the function's own.
        BrokenWorkerInterpreter: the interpreter cannot be made or used.
    """
    thread = threading.current_thread()
    assert isinstance(thread, InterpreterThread)
    return worker_protocol.load_reply(thread.reply_to(request))
