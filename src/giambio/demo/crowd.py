"""Many connections at once: the server's side, in one thread of this process.

The echo server is written as any server would be; the figures in the demo's last lines are those
of its plain `receive` and `send_all`. The clients are a process of their own (`clients`),
because a demo that serves itself would show neither the capacity of one thread nor the cost of a
connection. The two agree on each step, so the figures are exact: peak and memory are taken while
all connections are open, and the rate excludes the time of opening them.
"""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import giambio
from giambio.demo.control import Control
from giambio.demo.progress import Progress
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


class EchoServer:
    """Echoes all received data, on each connection until its end.

    `open` is the number of open connections, `peak` the most at any one time,
    `problem` the error that kept it from accepting more.
    """

    def __init__(self) -> None:
        self.open = 0
        self.peak = 0
        self.problem: str | None = None

    async def serve(self, task_status: giambio.TaskStatus) -> None:
        """Report the port; then accept connections, until cancelled or the system has no more."""
        listener = giambio.wrap_socket(socket.create_server(("127.0.0.1", 0), backlog=BACKLOG))
        task_status.started(listener.getsockname()[1])
        async with listener, giambio.TaskManager() as manager:
            while True:
                try:
                    sock, address = await listener.accept()
                except OSError as exc:
                    self.problem = describe(exc, "the server")
                    # Clients in the backlog learn that they will not be served.
                    await listener.close()
                    return
                manager.start_soon(self.echo, sock, address)

    async def echo(self, sock: giambio.AsyncSocket, address: Any) -> None:
        """Serve one connection."""
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            with sock:
                while data := await sock.receive():
                    await sock.send_all(data)
        except giambio.BrokenResourceError:
            pass  # this client is gone; the others are still served
        finally:
            self.open -= 1


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
            port = await manager.start(server.serve)
            await meet_clients(port, server, driver, outcome, output)
            manager.cancel("the clients are done")
    except OSError as exc:
        outcome.problem = describe(exc, "the server")
    outcome.peak = server.peak
    outcome.problem = server.problem or outcome.problem
    return outcome


async def meet_clients(
    port: int, server: EchoServer, driver: str | None, outcome: Outcome, output: TextIO
) -> None:
    """Start the clients, and go through the steps with them.

    Raises:
        OSError: the clients could not be started, or ended too early.
    """
    command = [sys.executable, *[f"-W{option}" for option in sys.warnoptions], "-m"]
    # A process group of its own: Ctrl-C reaches this process only, which then ends the other.
    group: dict[str, Any] = {"process_group": 0}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    async with giambio.wrap_socket(socket.create_server(("127.0.0.1", 0))) as listener:
        numbers = map(str, (listener.getsockname()[1], port, outcome.connections))
        command += ["giambio.demo.clients", *numbers, driver or ""]
        async with giambio.open_process(
            command, stdin=subprocess.DEVNULL, terminate_timeout=SECONDS_TO_END, **group
        ) as child:
            with await accept_control(listener, child) as sock:
                await follow(Control(sock), server, outcome, output)
            with giambio.move_on_after(SECONDS_TO_END):
                await child.wait()
            child.terminate()


async def accept_control(
    listener: giambio.AsyncSocket, child: giambio.Process
) -> giambio.AsyncSocket:
    """Wait for the clients to report.

    Raises:
        BrokenResourceError: they have ended instead.
    """
    while child.returncode is None:
        with giambio.move_on_after(0.1):
            return (await listener.accept())[0]
    raise giambio.BrokenResourceError(f"the clients ended with exit code {child.returncode}")


async def follow(control: Control, server: EchoServer, outcome: Outcome, output: TextIO) -> None:
    """Go through the steps, and measure at each."""
    gc.collect()
    memory_before = memory_in_use()  # no connection is accepted before the next `await`
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
