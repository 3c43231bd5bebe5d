"""The worker processes of a loop: started when needed, reused, and gone with the loop.

A worker is a fresh interpreter and no fork: a fork of a program with threads may
find locks held that are never released. Starting one takes some tens of
milliseconds, so it is kept for the next call.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

from giambio.errors import BrokenResourceError, BrokenWorkerProcess, ClosedResourceError
from giambio.kernel.callbacks import Handle
from giambio.kernel.kernel import Kernel
from giambio.processes import worker_protocol as protocol
from giambio.processes.child import Child, at_work
from giambio.processes.pipes import PipeReceiveStream, PipeSendStream
from giambio.tasks.cancel import CancelScope

__all__ = ["Pool", "WorkerProcess", "fresh_interpreter", "pool_of"]

#: How long a worker is kept without a call.
IDLE_SECONDS = 30.0
#: How long the workers have to end by themselves when the loop ends.
GRACE = 1.0


class WorkerProcess:
    """One worker process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        popen, requests, replies = start()
        self._child = Child(kernel, popen)
        self._requests = PipeSendStream(kernel, requests)
        self._replies = PipeReceiveStream(kernel, replies)
        self.pid = popen.pid
        self.idle_since = 0.0
        self._first = protocol.frame(protocol.describe_main())
        try:
            self._child.watch()
        except BaseException:
            self.end_now()
            raise

    def is_alive(self) -> bool:
        """Tell whether it has not ended."""
        return not self._child.reap()

    async def exchange(self, request: bytes) -> bytes:
        """Have a call done.

        Raises:
            BrokenWorkerProcess: the process ended meanwhile.

        A checkpoint. Cancelled, the process is in no state to be used again.
        """
        first, self._first = self._first, b""
        self._child.at_end = self._has_ended
        self._child.watch()
        try:
            with at_work(self._kernel):
                await self._requests.send_all(first + protocol.frame(request))
                header = await self._receive(protocol.HEADER)
                return await self._receive(int.from_bytes(header, "big"))
        except (BrokenResourceError, ClosedResourceError, EOFError):
            raise await self._post_mortem() from None
        finally:
            self._child.at_end = None

    def _has_ended(self) -> None:
        """The process has ended in the middle of a call.

        Processes that it has forked may live on, and hold its ends of the pipes open.
        """
        self._requests.close_now()
        self._replies._end()

    async def _receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = await self._replies.receive(min(size - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    async def _post_mortem(self) -> BrokenWorkerProcess:
        """It speaks no more: see how it ended."""
        self._child.kill()  # no harm to one that has ended, and an end to one that only hung up
        await self._child.wait()
        try:
            code = self._child.returncode()
        except ChildProcessError as exc:
            return BrokenWorkerProcess(f"worker {exc}", None)
        return BrokenWorkerProcess(
            f"worker process {self.pid} {how_it_ended(code)} in the middle of a call", code
        )

    async def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.ask_to_end()
        self._child.kill()
        with CancelScope(shield=True):
            await self._child.wait()

    def end_now(self) -> None:
        """The same, for places where no task can wait."""
        self.ask_to_end()
        self._child.kill_and_reap()

    def ask_to_end(self) -> None:
        """Close its pipes: it ends by itself when it can receive no more requests."""
        self._requests.close_now()
        self._replies.close_now()

    def forget(self) -> None:
        """In a forked child: it is the parent's."""
        self._requests._forget()
        self._replies._forget()
        self._child.forget()


class Pool:
    """The worker processes of one loop; a service of its kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        # Those that were asked to end, and have a little while to do so.
        self._ending: list[WorkerProcess] = []
        self._timer: Handle | None = None

    def take(self) -> WorkerProcess:
        """A worker for one call: the one that was used last, or a new one.

        Raises:
            OSError: none can be started.
        """
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive():
                break
            worker.end_now()
        else:
            worker = WorkerProcess(self._kernel)
        self._busy.add(worker)
        return worker

    def put_back(self, worker: WorkerProcess) -> None:
        """The call is done."""
        self._busy.discard(worker)
        worker.idle_since = self._kernel.current_time()
        self._idle.append(worker)
        if self._timer is None:
            self._timer = self._kernel.call_later(IDLE_SECONDS, self._end_old)

    def drop(self, worker: WorkerProcess) -> None:
        """It is not to be used again."""
        self._busy.discard(worker)

    def _end_old(self) -> None:
        """End those that have waited too long for a call."""
        self._timer = None
        self._end_ending()
        now = self._kernel.current_time()
        while self._idle and self._idle[0].idle_since + IDLE_SECONDS <= now:
            worker = self._idle.pop(0)
            worker.ask_to_end()
            self._ending.append(worker)
        if self._ending:
            self._timer = self._kernel.call_later(GRACE, self._end_old)
        elif self._idle:
            due = self._idle[0].idle_since + IDLE_SECONDS
            self._timer = self._kernel.call_at(due, self._end_old)

    def _end_ending(self) -> None:
        """The little while is over."""
        for worker in self._ending:
            worker.end_now()
        self._ending.clear()

    def loop_ended(self, forked: bool) -> None:
        """The loop ends, and the workers with it; called by the kernel."""
        self._timer = None
        if forked:
            for worker in (*self._idle, *self._busy, *self._ending):
                worker.forget()
        else:
            for worker in self._busy:
                worker.end_now()
            for worker in self._idle:
                worker.ask_to_end()
            self._ending += self._idle
            deadline = time.monotonic() + GRACE
            while time.monotonic() < deadline and any(w.is_alive() for w in self._ending):
                time.sleep(0.001)
            self._end_ending()
        self._idle.clear()
        self._busy.clear()
        self._ending.clear()


def how_it_ended(code: int | None) -> str:
    """An exit code in words."""
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal, which has no name
        return f"was killed by signal {-code}"


def pool_of(kernel: Kernel) -> Pool:
    """The worker processes of a loop."""
    pool: Pool = kernel._services.setdefault("worker processes", Pool(kernel))
    return pool


def fresh_interpreter(program: str, *arguments: str) -> list[str]:
    """Return the command of an interpreter like this one, in which `sys` is imported.

    Parameters:
        program: what it runs. It finds modules where this program finds them.
        arguments: what follows in its `sys.argv`.
    """
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *flags, "-c", f"{protocol.same_path()}; {program}", *arguments]


def start() -> tuple[subprocess.Popen[bytes], Any, Any]:
    """Start a worker process.

    Returns:
        The process, and our ends of its pipes.
    """
    if not sys.executable:
        raise RuntimeError("to_process() cannot tell which Python runs: sys.executable is empty")
    if os.name != "posix":
        raise NotImplementedError("to_process() needs a POSIX system for now")
    opened: list[int] = []
    try:
        for _ in range(2):
            opened.extend(os.pipe())
        their_requests, our_requests, our_replies, their_replies = opened
        theirs = (their_requests, their_replies)
        popen = subprocess.Popen(
            fresh_interpreter(f"from giambio.processes.worker_protocol import main; main{theirs}"),
            stdin=subprocess.DEVNULL,
            pass_fds=theirs,
        )
    except BaseException:
        for descriptor in opened:
            os.close(descriptor)
        raise
    for descriptor in theirs:
        os.close(descriptor)
    return popen, open(our_requests, "wb", 0), open(our_replies, "rb", 0)
