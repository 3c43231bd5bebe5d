"""`open_process`: start a program, talk to it through pipes, and see to its end.

A process that was started has to be ended and reaped, whatever happens to the
task that started it. So a `Process` is a block, as a file is: leaving it in the
ordinary way waits for the program's end, leaving it by an exception (a
cancellation is one) asks the program to end, and does not ask for long.
"""

from __future__ import annotations

import os
import signal
import subprocess
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeAlias

from giambio._build.sealed import final
from giambio.arguments import check_seconds
from giambio.kernel.blocks import refuse_with
from giambio.kernel.kernel import Kernel
from giambio.kernel.opening import Opening
from giambio.kernel.operation import Immediate, Operation, current_kernel
from giambio.processes.child import Child
from giambio.processes.pipes import PipeReceiveStream, PipeSendStream
from giambio.streams.abc import ReceiveStream, SendStream
from giambio.streams.budget import spend_budget
from giambio.tasks.cancel import CancelScope

__all__ = ["Command", "Process", "open_process", "start"]

StrOrBytesPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Command: TypeAlias = StrOrBytesPath | Sequence[StrOrBytesPath]

#: Seconds between asking a program to end and ending it.
TERMINATE_TIMEOUT = 5.0

#: The parameters of `subprocess.Popen`, after the command.
CODE = subprocess.Popen.__init__.__code__
OPTIONS = set(CODE.co_varnames[2 : CODE.co_argcount + CODE.co_kwonlyargcount])

BYTES = "the pipes carry bytes; wrap one in giambio.TextStream, or decode what came"
#: Options of `subprocess` that are refused, and what to write instead.
ADVICE = dict.fromkeys(("text", "encoding", "errors", "universal_newlines", "bufsize"), BYTES) | {
    "capture_output": "run_process() has capture_stdout=True and capture_stderr=True",
    "timeout": "a time limit is a scope, with giambio.fail_after(seconds): ...",
}


@typing.final  # for type checkers
@final
class Process:
    """A program that runs: ``async with open_process([...]) as process:``

    Attributes:
        args: the command.
        pid: the process's number.
        stdin: a `SendStream` to its standard input, None without ``stdin=PIPE``.
        stdout: a `ReceiveStream` of its standard output, None without ``stdout=PIPE``.
        stderr: a `ReceiveStream` of its errors, None without ``stderr=PIPE``.

    Leaving the block closes the pipes and waits for the program's end. By an
    exception, or cancelled meanwhile, it sends SIGTERM and, after
    ``terminate_timeout``, SIGKILL; and waits until the program has ended.

    Example:
        >>> import giambio, subprocess
        >>> async def main():
        ...     pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        ...     async with giambio.open_process(["cat"], **pipes) as process:
        ...         await process.stdin.send_all(b"hello")
        ...         process.stdin.close()
        ...         print(await process.stdout.receive())
        ...     return process.returncode
        >>> giambio.run(main)
        b'hello'
        0
    """

    __slots__ = (
        "__weakref__",
        "_child",
        "_terminate_timeout",
        "args",
        "pid",
        "stderr",
        "stdin",
        "stdout",
    )

    def __init__(
        self, kernel: Kernel, popen: subprocess.Popen[bytes], terminate_timeout: float
    ) -> None:
        self._child = Child(kernel, popen)
        self._terminate_timeout = terminate_timeout
        self.args: Any = popen.args
        self.pid: int = popen.pid
        pipes: Any = (popen.stdin, popen.stdout, popen.stderr)  # unbuffered: plain files
        stdin, stdout, stderr = pipes
        try:
            self.stdin: SendStream | None = stdin and PipeSendStream(kernel, stdin)
            self.stdout: ReceiveStream | None = stdout and PipeReceiveStream(kernel, stdout)
            self.stderr: ReceiveStream | None = stderr and PipeReceiveStream(kernel, stderr)
            self._child.watch()
        except BaseException:
            for pipe in filter(None, pipes):
                pipe.close()
            self._child.kill_and_reap()
            raise

    # -- how it is doing -------------------------------------------------------------------

    @property
    def returncode(self) -> int | None:
        """The exit code; minus a signal's number if that killed it; None while it runs.

        Raises:
            ChildProcessError: it has ended, and its exit code was taken elsewhere.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.open_process(["false"]) as process:
            ...         pass
            ...     return process.returncode
            >>> giambio.run(main)
            1
        """
        return self._child.returncode()

    async def wait(self) -> int:
        """Wait until the program has ended. Several tasks may do that.

        Returns:
            The exit code, as `returncode`.

        Raises:
            ChildProcessError: its exit code was taken elsewhere.
            RuntimeError: the process was started in another loop.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, the program runs on. Read its pipes meanwhile: a
        program whose pipe is full waits until it is read.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.open_process(["true"]) as process:
            ...         return await process.wait()
            >>> giambio.run(main)
            0
        """
        await self._child.wait()
        code = self._child.returncode()
        assert code is not None  # it has ended
        return code

    # -- ending it -------------------------------------------------------------------------

    def send_signal(self, number: int) -> None:
        """Send the program a signal; it does nothing when the program has ended.

        Parameters:
            number: such as `signal.SIGHUP`.

        Raises:
            OSError: the system refuses, for instance because it is another user's.

        Not a checkpoint.

        Example:
            >>> import giambio, signal
            >>> async def main():
            ...     async with giambio.open_process(["sleep", "60"]) as process:
            ...         process.send_signal(signal.SIGUSR1)
            ...     return process.returncode == -signal.SIGUSR1
            >>> giambio.run(main)
            True
        """
        self._child.send_signal(number)

    def terminate(self) -> None:
        """Ask the program to end, with SIGTERM. Not a checkpoint; see `send_signal`.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.open_process(["sleep", "60"]) as process:
            ...         process.terminate()
            ...     return process.returncode
            >>> giambio.run(main)
            -15
        """
        self._child.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the program, with SIGKILL. Not a checkpoint; see `send_signal`.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.open_process(["sleep", "60"]) as process:
            ...         process.kill()
            ...     return process.returncode
            >>> giambio.run(main)
            -9
        """
        self._child.kill()

    async def aclose(self) -> None:
        """Close the pipes and wait for the program's end, as the end of the block does.

        Raises:
            CancelledError: the task is in a cancelled scope; the program has ended then.

        A checkpoint. Cancelled, the program is terminated, and killed if need be.

        Example:
            >>> import giambio
            >>> async def main():
            ...     process = await giambio.open_process(["true"])
            ...     await process.aclose()
            ...     return process.returncode
            >>> giambio.run(main)
            0
        """
        await self._leave(None)

    # -- the block -------------------------------------------------------------------------

    def __aenter__(self) -> Operation[Self]:
        return Immediate(self)

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._leave(exc_info[1])

    __enter__ = __exit__ = refuse_with

    async def _leave(self, exc: BaseException | None) -> None:
        """Close the pipes, and wait until the program has ended."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                pipe.close_now()
        if isinstance(exc, GeneratorExit):  # the coroutine is being closed, and cannot wait
            self._child.kill_and_reap()
        elif exc is not None:
            await self._end()
        else:
            try:
                await self._child.wait()
            except GeneratorExit:
                self._child.kill_and_reap()
                raise
            except BaseException:
                await self._end()
                raise

    async def _end(self) -> None:
        """End the program, and wait for that."""
        try:
            with CancelScope(shield=True):
                self.terminate()
                await self._child.wait_at_most(self._terminate_timeout)
                if not self._child.ended:
                    self._child.kill()
                    await self._child.wait()
        except GeneratorExit:
            self._child.kill_and_reap()
            raise

    def __repr__(self) -> str:
        state = "ended" if self._child.ended else "running"
        return f"<giambio.Process {self.pid} {state}: {self.args!r}>"


def open_process(
    command: Command,
    *,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    cwd: StrOrBytesPath | None = None,
    env: Mapping[str, str] | None = None,
    shell: bool = False,
    terminate_timeout: float = TERMINATE_TIMEOUT,
    **options: Any,
) -> Opening[Process]:
    """Start a program, to talk to it while it runs.

    Parameters:
        command: the program and its arguments, as a list; with ``shell=True`` a line for
            the shell.
        stdin: `subprocess.PIPE` for a pipe, `subprocess.DEVNULL`, a descriptor or a
            file; by default it is ours.
        stdout: the same.
        stderr: the same, or `subprocess.STDOUT` for where stdout goes.
        cwd: the folder to run in; by default ours.
        env: the environment; by default a copy of ours.
        shell: whether `command` is a line for the shell. Ending the shell need not end
            the programs that it has started.
        terminate_timeout: seconds between SIGTERM and SIGKILL, when the block is left
            by an exception; 0 kills at once, infinity never does. Real seconds, also on a
            virtual clock.
        options: other options of `subprocess.Popen`, except those about text and
            buffers: the pipes carry bytes.

    Returns:
        Entered with ``async with``, or awaited: a `Process`.

    Raises:
        OSError: the program cannot be started; `FileNotFoundError` if it is not there.
        TypeError, ValueError: a parameter is invalid.
        CancelledError: the task is in a cancelled scope; nothing was started.

    A checkpoint, before the start. The start itself holds up the loop until the system
    has loaded the program: about a millisecond from a local disk.

    Example:
        >>> import giambio, subprocess
        >>> async def main():
        ...     command = ["echo", "hello"]
        ...     async with giambio.open_process(command, stdout=subprocess.PIPE) as process:
        ...         return await process.stdout.receive()
        >>> giambio.run(main)
        b'hello\\n'
    """
    usual = {"stdin": stdin, "stdout": stdout, "stderr": stderr, "cwd": cwd, "env": env}
    return start("open_process()", command, shell, terminate_timeout, usual, options)


def start(
    what: str, command: Command, shell: bool, terminate_timeout: float, usual: Any, options: Any
) -> Opening[Process]:
    """Start a program for `open_process` and `run_process`.

    Parameters:
        what: the call, for messages.
        command, shell, terminate_timeout: see `open_process`.
        usual: the named options for `subprocess.Popen`.
        options: the others, which are checked.
    """
    check(what, command, shell, terminate_timeout, options)
    return Opening(what, launch(command, terminate_timeout, {"shell": shell} | usual | options))


async def launch(command: Command, terminate_timeout: float, options: Any) -> Process:
    """Start a program with options that were checked."""
    await spend_budget()
    popen = subprocess.Popen(command, bufsize=0, **options)
    return Process(current_kernel(), popen, terminate_timeout)


def check(what: str, command: Any, shell: bool, terminate_timeout: float, options: Any) -> None:
    """Raise TypeError or ValueError for options that would start something unintended."""
    if shell and not isinstance(command, str | bytes):
        raise TypeError(f"{what} with shell=True needs a line for the shell, not {command!r}")
    if not shell and isinstance(command, str | bytes):
        raise TypeError(
            f'{what} needs a list, such as ["ls", "-l"], not {command!r}; '
            "with shell=True the shell takes it apart (beware of what it does with user input)"
        )
    if not isinstance(command, str | bytes | os.PathLike):
        check_arguments(what, command)
    check_seconds(what, "terminate_timeout", terminate_timeout)
    for name in sorted(options):
        if name in ADVICE:
            raise TypeError(f"{what} takes no {name}=: {ADVICE[name]}")
        if name not in OPTIONS:
            raise TypeError(f"{what} got an unexpected keyword argument {name!r}")


def check_arguments(what: str, command: Any) -> None:
    """Raise unless `command` is a list of a program and its arguments."""
    if not isinstance(command, Sequence):
        raise TypeError(f'{what} needs a list, such as ["ls", "-l"], not {command!r}')
    if not command:
        raise ValueError(f"{what} needs a list with at least the program in it; this one is empty")
    for argument in command:
        if not isinstance(argument, str | bytes | os.PathLike):
            raise TypeError(
                f"{what} needs arguments that are str, bytes or paths, not {argument!r}; "
                "write numbers as str(...)"
            )
