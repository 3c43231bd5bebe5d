"""Child processes: giambio's, with the end of a pipe told as AnyIO tells it."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fsdecode
from typing import Any

import anyio
from anyio import abc
from giambio.anyio.error_mapping import anyio_error
from giambio.kernel.checkpoints import checkpoint
from giambio.kernel.operation import current_kernel
from giambio.processes.process import Process as OwnProcess
from giambio.processes.process import open_process as open_own_process
from giambio.streams.abc import ReceiveStream as OwnReceiveStream
from giambio.streams.abc import SendStream as OwnSendStream
from giambio.tasks.cancel import CancelScope

__all__ = ["Process", "end_with_the_loop", "open_process"]


class ReceiveStream(abc.ByteReceiveStream):
    """What a process writes."""

    def __init__(self, own: OwnReceiveStream) -> None:
        self._own = own
        self._ended = False
        self._closed = False

    async def receive(self, max_bytes: int | None = 65536) -> bytes:
        """See `anyio.abc.ByteReceiveStream.receive`."""
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be a positive integer")
        if self._closed or not self._ended:
            try:
                data: bytes = await self._own.receive(max_bytes or 65536)
            except Exception as exc:
                raise anyio_error(exc, "reading from") from exc.__cause__
            if data:
                return data
            # There is nothing more to be had from it, so nobody needs to close it.
            self._ended = True
            self._own.close()
        raise anyio.EndOfStream

    def close(self) -> None:
        """Close it at once."""
        self._closed = True
        self._own.close()

    async def aclose(self) -> None:
        """See `anyio.abc.AsyncResource.aclose`."""
        self.close()
        await checkpoint()


class SendStream(abc.ByteSendStream):
    """What a process reads."""

    def __init__(self, own: OwnSendStream) -> None:
        self._own = own

    async def send(self, item: bytes) -> None:
        """See `anyio.abc.ByteSendStream.send`."""
        try:
            await self._own.send_all(item)
        except Exception as exc:
            raise anyio_error(exc, "writing to") from exc.__cause__

    def close(self) -> None:
        """Close it at once."""
        self._own.close()

    async def aclose(self) -> None:
        """See `anyio.abc.AsyncResource.aclose`."""
        self.close()
        await checkpoint()


class Process(abc.Process):
    """A child process."""

    def __init__(self, own: OwnProcess) -> None:
        self._own = own
        self._stdin = None if own.stdin is None else SendStream(own.stdin)
        self._stdout = None if own.stdout is None else ReceiveStream(own.stdout)
        self._stderr = None if own.stderr is None else ReceiveStream(own.stderr)

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

    async def wait(self) -> int:
        """See `anyio.abc.Process.wait`."""
        return await self._own.wait()

    def terminate(self) -> None:
        """See `anyio.abc.Process.terminate`."""
        self._own.terminate()

    def kill(self) -> None:
        """See `anyio.abc.Process.kill`."""
        self._own.kill()

    def kill_and_reap(self) -> None:
        """End it where no task can wait for that."""
        self.close_pipes()
        self._own._child.kill_and_reap()

    def forget(self) -> None:
        """In a forked child: the process is the parent's."""
        self._own._child.forget()

    def send_signal(self, signal: int) -> None:
        """See `anyio.abc.Process.send_signal`."""
        self._own.send_signal(signal)

    @property
    def pid(self) -> int:
        """See `anyio.abc.Process.pid`."""
        return self._own.pid

    @property
    def returncode(self) -> int | None:
        """See `anyio.abc.Process.returncode`."""
        return self._own.returncode

    @property
    def stdin(self) -> abc.ByteSendStream | None:
        """See `anyio.abc.Process.stdin`."""
        return self._stdin

    @property
    def stdout(self) -> abc.ByteReceiveStream | None:
        """See `anyio.abc.Process.stdout`."""
        return self._stdout

    @property
    def stderr(self) -> abc.ByteReceiveStream | None:
        """See `anyio.abc.Process.stderr`."""
        return self._stderr


async def open_process(
    command: str | bytes | PathLike[Any] | Sequence[str | bytes | PathLike[Any]],
    options: dict[str, Any],
) -> Process:
    """Start a program; a command that is no sequence is for the shell."""
    if isinstance(command, str | bytes | PathLike):
        return Process(await open_own_process(fsdecode(command), shell=True, **options))
    arguments = [fsdecode(argument) for argument in command]
    return Process(await open_own_process(arguments, **options))


class Pool:
    """The worker processes of AnyIO's pool, which end with the loop. A service of the kernel."""

    def __init__(self, workers: set[abc.Process]) -> None:
        self._workers = workers

    def loop_ended(self, forked: bool) -> None:
        """Called by the kernel."""
        for worker in self._workers:
            if not isinstance(worker, Process):
                continue  # AnyIO has started none but ours
            if forked:
                worker.forget()
            else:
                worker.kill_and_reap()
        self._workers.clear()


def end_with_the_loop(workers: set[abc.Process]) -> None:
    """Have the processes of AnyIO's pool end when the loop does."""
    current_kernel()._services["AnyIO's process pool"] = Pool(workers)
