"""Child processes: giambio's, with AnyIO's errors at the end of a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fsdecode
from typing import Any

import anyio
from anyio import abc
from giambio.anyio.wrapper import anyio_error, attribute
from giambio.kernel.checkpoints import checkpoint
from giambio.kernel.operation import current_kernel
from giambio.processes import process
from giambio.tasks.cancel import CancelScope

__all__ = ["Process", "end_with_the_loop", "open_process"]


class Pipe(abc.AsyncResource):
    """Our end of a pipe."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def close(self) -> None:
        """Close it at once."""
        self._own.close()

    async def aclose(self) -> None:
        """See `anyio.abc.AsyncResource.aclose`."""
        self.close()
        await checkpoint()


class ReceiveStream(Pipe, abc.ByteReceiveStream):
    """The output of a process."""

    _ended = False

    async def receive(self, max_bytes: int | None = 65536) -> bytes:
        """See `anyio.abc.ByteReceiveStream.receive`."""
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be a positive integer")
        if self._ended:
            raise anyio.EndOfStream
        try:
            data: bytes = await self._own.receive(max_bytes or 65536)
        except Exception as exc:
            raise anyio_error(exc, "reading from") from exc.__cause__
        if not data:
            # There is nothing more to be had from it, so nobody needs to close it.
            self._own.close()
            self._ended = True
            raise anyio.EndOfStream
        return data

    def close(self) -> None:
        """Close it at once."""
        self._ended = False
        super().close()


class SendStream(Pipe, abc.ByteSendStream):
    """The input of a process."""

    async def send(self, item: bytes) -> None:
        """See `anyio.abc.ByteSendStream.send`."""
        try:
            await self._own.send_all(item)
        except Exception as exc:
            raise anyio_error(exc, "writing to") from exc.__cause__


class Process(abc.Process):
    """A child process."""

    def __init__(self, own: process.Process) -> None:
        self._own = own
        self._stdin = None if own.stdin is None else SendStream(own.stdin)
        self._stdout = None if own.stdout is None else ReceiveStream(own.stdout)
        self._stderr = None if own.stderr is None else ReceiveStream(own.stderr)

    stdin = attribute("_stdin")
    stdout = attribute("_stdout")
    stderr = attribute("_stderr")
    pid = attribute("_own.pid")
    returncode = attribute("_own.returncode")
    wait = attribute("_own.wait")
    terminate = attribute("_own.terminate")
    kill = attribute("_own.kill")

    def send_signal(self, signal: int) -> None:
        """See `anyio.abc.Process.send_signal`."""
        self._own.send_signal(signal)

    async def aclose(self) -> None:
        """Close the pipes and wait; cancelled meanwhile, kill the process."""
        self.close_pipes()
        try:
            await self._own.wait()
        except BaseException:
            self._own.kill()
            with CancelScope(shield=True):
                await self._own.wait()
            raise

    def close_pipes(self) -> None:
        """Close our ends of the pipes."""
        for pipe in (self._stdin, self._stdout, self._stderr):
            if pipe is not None:
                pipe.close()


async def open_process(
    command: str | bytes | PathLike[Any] | Sequence[str | bytes | PathLike[Any]], **options: Any
) -> Process:
    """Start a program; a command that is not a sequence is for the shell."""
    if isinstance(command, str | bytes | PathLike):
        return Process(await process.open_process(fsdecode(command), shell=True, **options))
    arguments = [fsdecode(argument) for argument in command]
    return Process(await process.open_process(arguments, **options))


class Pool:
    """The worker processes of AnyIO's pool, which end with the loop. A service of the kernel."""

    def __init__(self, workers: set[Any]) -> None:
        self._workers = workers

    def loop_ended(self, forked: bool) -> None:
        """Called by the kernel."""
        for worker in self._workers:  # AnyIO has started none but ours
            if forked:
                worker._own._child.forget()
            else:
                worker.close_pipes()
                worker._own._child.kill_and_reap()
        self._workers.clear()


def end_with_the_loop(workers: set[abc.Process]) -> None:
    """End the processes of AnyIO's pool with the loop."""
    current_kernel()._services["AnyIO's process pool"] = Pool(workers)
