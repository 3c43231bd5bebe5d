"""`run_process`: run a program from its beginning to its end."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from giambio.errors import BrokenResourceError
from giambio.kernel.operation import current_kernel
from giambio.processes.child import at_work
from giambio.processes.process import TERMINATE_TIMEOUT, Command, StrOrBytesPath, start
from giambio.streams.abc import ReceiveStream, SendStream
from giambio.streams.guard import bytes_like
from giambio.tasks.manager import TaskManager

__all__ = ["run_process"]


async def run_process(
    command: Command,
    *,
    input: Any = None,
    capture_stdout: bool = False,
    capture_stderr: bool = False,
    check: bool = True,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    cwd: StrOrBytesPath | None = None,
    env: Mapping[str, str] | None = None,
    shell: bool = False,
    terminate_timeout: float = TERMINATE_TIMEOUT,
    **options: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program, and wait for its end.

    Parameters:
        command: the program and its arguments, as a list; with ``shell=True`` a line for
            the shell.
        input: bytes for its standard input; the rest is dropped if it does not read all.
        capture_stdout: whether to return its output.
        capture_stderr: whether to return its errors.
        check: whether an exit code other than 0 is an error.
        stdin: see `open_process`, as the rest.
        stdout: where its output goes, unless it is captured; by default where ours does.
        stderr: the same for its errors.
        cwd: the folder to run in.
        env: the environment.
        shell: whether `command` is a line for the shell.
        terminate_timeout: seconds between SIGTERM and SIGKILL, when it is cancelled.
        options: other options of `subprocess.Popen`.

    Returns:
        A `subprocess.CompletedProcess` with ``returncode``, ``stdout`` and ``stderr``; these
        are bytes, or None if they were not captured.

    Raises:
        subprocess.CalledProcessError: the exit code is not 0, and `check` is true.
        OSError, TypeError, ValueError: see `open_process`.
        ChildProcessError: its exit code was taken elsewhere.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, the program is terminated, and killed if that does not
    help; it has ended when the cancellation goes on.

    Example:
        >>> import giambio
        >>> async def main():
        ...     done = await giambio.run_process(["tr", "a-z", "A-Z"], input=b"hello",
        ...                                      capture_stdout=True)
        ...     return done.stdout
        >>> giambio.run(main)
        b'HELLO'
    """
    if input is not None:
        if stdin is not None:
            raise ValueError("run_process() takes input= or stdin=, not both")
        input = bytes_like("run_process(input=)", input)
        stdin = subprocess.PIPE
    elif stdin == subprocess.PIPE:
        raise ValueError("run_process(stdin=PIPE): nobody would write to that pipe; use input=")
    elif isinstance(stdin, str | bytes):
        raise TypeError(
            "run_process(stdin=) needs a descriptor or a file; what the program is to read is "
            f"input=, not {stdin!r}"
        )
    stdout = captured("stdout", capture_stdout, stdout)
    stderr = captured("stderr", capture_stderr, stderr)
    usual = {"stdin": stdin, "stdout": stdout, "stderr": stderr, "cwd": cwd, "env": env}
    starting = start("run_process()", command, shell, terminate_timeout, usual, options)
    async with starting as process:
        outputs = {"stdout": process.stdout, "stderr": process.stderr}
        with at_work(current_kernel()):
            async with TaskManager() as manager:
                if process.stdin is not None:
                    manager.start_soon(feed, process.stdin, input)
                readers = {
                    name: manager.start_soon(read_all, stream)
                    for name, stream in outputs.items()
                    if stream is not None
                }
        code = await process.wait()
    results: Any = {name: reader.result() for name, reader in readers.items()}
    done = subprocess.CompletedProcess(process.args, code, **results)
    if check:
        done.check_returncode()
    return done


def captured(name: str, capture: bool, given: Any) -> Any:
    """Where an output goes."""
    if not capture:
        if given == subprocess.PIPE:
            raise ValueError(
                f"run_process({name}=PIPE): nobody would read that pipe; write capture_{name}=True"
            )
        return given
    if given is not None:
        raise ValueError(f"run_process() takes capture_{name}= or {name}=, not both")
    return subprocess.PIPE


async def feed(stream: SendStream, data: memoryview) -> None:
    """Send a program its input; it need not read all of it, as with `subprocess.run`."""
    with stream, suppress(BrokenResourceError):
        await stream.send_all(data)


async def read_all(stream: ReceiveStream) -> bytes:
    """Read the output of a program, until it ends or closes that."""
    parts = []
    while part := await stream.receive():
        parts.append(part)
    return b"".join(parts)
