"""Many connections at once: the server's side, in this process.

The clients are a process of their own (`clients`), because a demo that serves itself
would show neither the capacity of one thread nor the cost of a connection. The two
agree on each step, so the figures are exact: peak and memory are taken while all
connections are open, and the rate excludes the time of opening them.
"""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import giambio
from giambio.demo.control import Control
from giambio.demo.progress import Progress
from giambio.demo.server import EchoServer
from giambio.demo.system import describe, memory_in_use, raise_descriptor_limit

__all__ = ["Outcome", "hold_crowd"]

BACKLOG = 1024
SECONDS_TO_END = 5.0


@dataclass
class Outcome:
    """The figures, and the problem if there was one."""

    connections: int
    echoed: int = 0
    peak: int = 0
    threads: int = 1
    messages: int = 0
    seconds: float = 0.0
    memory: float | None = None
    problem: str | None = None

    def succeeded(self) -> bool:
        """Whether every connection was served."""
        wanted = (self.connections, self.connections, 1)
        return self.problem is None and (self.echoed, self.peak, self.threads) == wanted

    def lines(self) -> Iterator[str]:
        """Yield the lines to print at the end."""
        threads = f"{self.threads} thread" + ("" if self.threads == 1 else "s")
        yield f"{self.echoed}/{self.connections} echoed, peak {self.peak} open, {threads}"
        if self.messages:
            rate = f"{self.messages / self.seconds:,.0f} messages per second"
            if self.memory is not None:
                rate += f", {self.memory / 1024:.1f} KiB of memory per connection"
            yield rate
        if not self.succeeded():
            yield f"limit hit: {self.problem or 'none that was reported'}"


async def hold_crowd(connections: int, driver: str | None, output: TextIO) -> Outcome:
    """Serve a number of connections at once.

    Parameters:
        connections: the number.
        driver: the driver of the clients; the server's is that of this loop.
        output: where to show the progress.
    """
    outcome = Outcome(connections)
    server = EchoServer()
    raise_descriptor_limit(connections)
    try:
        async with giambio.TaskManager() as manager:
            port = await manager.start(serve, server)
            await meet_clients(port, server, driver, outcome, output)
            manager.cancel("the clients are done")
    except OSError as exc:
        outcome.problem = describe(exc, "the server")
    outcome.peak = server.peak
    outcome.problem = server.problem or outcome.problem
    return outcome


async def serve(server: EchoServer, task_status: giambio.TaskStatus) -> None:
    """Listen on a free port, report it, and serve."""
    listener = giambio.wrap_socket(socket.create_server(("127.0.0.1", 0), backlog=BACKLOG))
    task_status.started(listener.getsockname()[1])
    await server.serve(listener)


async def meet_clients(
    port: int, server: EchoServer, driver: str | None, outcome: Outcome, output: TextIO
) -> None:
    """Start the clients, and go through the steps with them.

    Raises:
        OSError: the clients could not be started, or ended too early.
    """
    gc.collect()
    memory_before = memory_in_use()
    listener = giambio.wrap_socket(socket.create_server(("127.0.0.1", 0)))
    async with listener:
        arguments = {
            "--control": listener.getsockname()[1],
            "--server": port,
            "--connections": outcome.connections,
        }
        if driver is not None:
            arguments["--driver"] = driver
        with child_process("giambio.demo.clients", arguments) as child:
            with await accept_control(listener, child) as control:
                await follow(control, server, memory_before, outcome, output)
            with giambio.move_on_after(SECONDS_TO_END):
                while child.poll() is None:
                    await giambio.sleep(0.01)


@contextmanager
def child_process(module: str, options: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module in a Python process like this one, which does not outlive the block.

    It has a process group of its own: Ctrl-C reaches this process only, which then
    terminates the other one.
    """
    command = [sys.executable, *[f"-W{option}" for option in sys.warnoptions], "-m", module]
    for option, value in options.items():
        command += [option, str(value)]
    group: dict[str, Any] = {"process_group": 0}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **group) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(SECONDS_TO_END)
                except subprocess.TimeoutExpired:
                    child.kill()


async def accept_control(listener: giambio.AsyncSocket, child: subprocess.Popen[bytes]) -> Control:
    """Wait for the clients to report.

    Raises:
        BrokenResourceError: they have ended instead.
    """
    while child.poll() is None:
        with giambio.move_on_after(0.1):
            sock, _ = await listener.accept()
            return Control(sock)
    raise giambio.BrokenResourceError(f"the clients ended with exit code {child.returncode}")


async def follow(
    control: Control,
    server: EchoServer,
    memory_before: int | None,
    outcome: Outcome,
    output: TextIO,
) -> None:
    """Go through the steps, and measure at each."""
    progress = Progress("open", outcome.connections, output)
    await until("opened", control, progress)
    outcome.threads = threading.active_count()
    memory = memory_in_use()
    if memory is not None and memory_before is not None and server.open:
        outcome.memory = (memory - memory_before) / server.open

    await control.send(go="echo")
    progress = Progress("echoed", outcome.connections, output)
    message = await until("echoed", control, progress)
    outcome.threads = max(outcome.threads, threading.active_count())
    outcome.echoed = message["count"]
    outcome.messages = message["messages"]
    outcome.seconds = message["seconds"]
    outcome.problem = message["problem"]

    await control.send(go="close")


async def until(state: str, control: Control, progress: Progress) -> dict[str, Any]:
    """Show the progress until the clients have reached a state."""
    while True:
        message = await control.receive()
        progress.show(message["count"])
        if message["state"] == state:
            progress.end(message["count"])
            return message
