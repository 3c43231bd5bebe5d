"""The monitor: a thread that tells other processes of this user what the loops here do.

It is a thread, so that it answers while a loop is stuck in a step: that is when it is needed. It
evaluates nothing, it only answers a few fixed questions. Whoever asks may be broken, or mean
harm: nothing that is said on its socket stops it, holds it up, or lets it use ever more memory.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from giambio.inspect.own_threads import own_threads
from giambio.monitor import directory
from giambio.monitor.protocol import MOST_ASKED, ProtocolError, answer, read_question
from giambio.monitor.snapshot import QUESTIONS, Timing
from giambio.monitor.tracing import Tracing

__all__ = ["Monitor"]

#: How many clients may be connected; one more, and the one that was silent longest has to go.
MOST_CLIENTS = 64
#: For how many seconds a client may say nothing, or read nothing.
PATIENCE = 10.0
#: How long to wait when there is no descriptor or no memory for another client.
PAUSE = 0.1

#: The questions whose answers depend on earlier ones.
SESSIONS: dict[str, Any] = {"top": Timing, "trace": Tracing}

CREDENTIALS = struct.Struct("3i")


class Client:
    """A connection, and what has been said on it but not heard."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.asked = b""
        self.answer = memoryview(b"")
        # What remembers its earlier questions, by their names.
        self.sessions: dict[str, Any] = {}
        # Whether it is to go when it has read its answer.
        self.leaves = False
        self.active = time.monotonic()

    def refuse(self, problem: str) -> None:
        """Tell it what is wrong, and then no more."""
        self.answer = memoryview(answer(error=problem))
        self.leaves = True

    def respond(self, line: bytes) -> None:
        """Prepare the answer to a question."""
        try:
            command = read_question(line)
            if command in SESSIONS:
                session = self.sessions.get(command)
                if session is None:
                    session = self.sessions[command] = SESSIONS[command]()
                told: Any = session.ask()
            elif command in QUESTIONS:
                told = QUESTIONS[command]()
            else:
                raise ProtocolError(f"there is no question {command[:40]!r}")
            self.answer = memoryview(answer(answer=told, pid=os.getpid()))
        except ProtocolError as exc:
            self.refuse(str(exc))
        except Exception as exc:  # one of the program's objects could not be shown
            self.refuse(f"the program could not be looked at: {exc!r}")


class Monitor:
    """A thread with a socket, in the directory of this process's user.

    Parameters:
        may_leave: None, or what to ask when the last client has gone: whether that was the end.

    Raises:
        OSError: there can be no socket, for want of descriptors or by what is in its place.
    """

    def __init__(self, may_leave: Callable[[Monitor], bool] | None = None) -> None:
        self.may_leave = may_leave
        # How many clients are about to come, and until when they are waited for.
        self._expected = 0
        self._until = 0.0
        uid = os.geteuid()
        folder = directory.make(uid)
        for _ in directory.monitored(uid):
            pass  # what earlier processes have left is removed
        self.path: Path = folder / directory.name_of(os.getpid())
        self.path.unlink(missing_ok=True)  # of before an exec
        self._clients: dict[socket.socket, Client] = {}
        self._stopped = False
        self._is_there = True
        with ExitStack() as opened:
            self._listener = opened.enter_context(socket.socket(socket.AF_UNIX))
            self._wakeup, self._sleeper = map(opened.enter_context, socket.socketpair())
            self._selector = opened.enter_context(selectors.DefaultSelector())
            self._listener.setblocking(False)
            self._listener.bind(str(self.path))
            opened.callback(self.path.unlink)
            self._listener.listen(MOST_CLIENTS)
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._selector.register(self._sleeper, selectors.EVENT_READ)
            opened.pop_all()
        self._thread = threading.Thread(target=self._serve, name="giambio-monitor", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        try:
            self._thread.start()
        except BaseException:
            self.remove_path()
            self._wakeup.close()
            self._close()
            raise

    def stop(self) -> None:
        """Stop answering, and wait for the thread. The socket is gone then."""
        self._stopped = True
        self._wakeup.close()
        self._thread.join()
        self.remove_path()
        self._close()

    def expect_client(self) -> None:
        """Wait for another client before leaving."""
        self._until = time.monotonic() + PATIENCE
        self._expected += 1

    def forked(self) -> None:
        """Give up the parent's sockets, in a forked child. Its thread is not here."""
        self._wakeup.close()
        self._close()

    def remove_path(self) -> None:
        """Remove the socket from its directory, once: later it may be another monitor's."""
        if self._is_there:
            self._is_there = False
            with suppress(OSError):  # of a process that runs as another user by now
                self.path.unlink()

    def _close(self) -> None:
        self._selector.close()
        for sock in (self._listener, self._sleeper, *self._clients):
            sock.close()
        self._clients.clear()

    def _serve(self) -> None:
        own_threads.add(self)  # while it lives and no longer: another thread would not be counted
        try:
            while not self._stopped:
                timeout = PATIENCE / 4 if self._clients or self.may_leave else None
                for key, _ in self._selector.select(timeout):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.data, Client):
                        self._attend(key.data)
                self._dismiss_the_silent()
                if self.is_left() and self.may_leave is not None and self.may_leave(self):
                    self._wakeup.close()
                    self._close()
                    break
        finally:
            for client in list(self._clients.values()):
                self._dismiss(client)
            own_threads.discard(self)

    def is_left(self) -> bool:
        """Whether no client is here, and none is about to come."""
        is_awaited = self._expected > 0 and time.monotonic() <= self._until
        return not self._clients and not is_awaited

    def _accept(self) -> None:
        """Take a client on, unless it is of another user."""
        self._expected = max(0, self._expected - 1)
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # no descriptor is left, or no memory
            self._dismiss_the_oldest()
            time.sleep(PAUSE)
            return
        sock.setblocking(False)
        if len(self._clients) >= MOST_CLIENTS:
            self._dismiss_the_oldest()
        client = self._clients[sock] = Client(sock)
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        _, uid, _ = CREDENTIALS.unpack(peer)
        if uid not in (0, os.geteuid()):
            client.refuse(f"user {uid} may not look into a program of user {os.geteuid()}")
        try:
            self._selector.register(sock, selectors.EVENT_READ, client)
        except OSError:  # the system watches no more descriptors
            self._dismiss(client)
        else:
            self._say(client)

    def _attend(self, client: Client) -> None:
        """Hear a client, or go on saying the answer."""
        if not client.answer:
            self._hear(client)
        self._say(client)

    def _hear(self, client: Client) -> None:
        try:
            data = client.sock.recv(MOST_ASKED)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            client.leaves = True
            return
        line, end, rest = (client.asked + data).partition(b"\n")
        if end:
            client.active = time.monotonic()
            client.asked = rest[:MOST_ASKED]
            client.respond(line)
        elif len(line) > MOST_ASKED:
            client.refuse("not understood: the question is too long")
        else:
            client.asked = line

    def _say(self, client: Client) -> None:
        """Send what the client takes now of the answer, and wait for the right thing next."""
        try:
            while client.answer:
                client.answer = client.answer[client.sock.send(client.answer) :]
                client.active = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            client.leaves = True
            client.answer = memoryview(b"")
        if client.leaves and not client.answer:
            self._dismiss(client)
        elif client.sock in self._clients:
            event = selectors.EVENT_WRITE if client.answer else selectors.EVENT_READ
            self._selector.modify(client.sock, event, client)

    def _dismiss_the_silent(self) -> None:
        now = time.monotonic()
        for client in list(self._clients.values()):
            if now - client.active > PATIENCE:
                self._dismiss(client)

    def _dismiss_the_oldest(self) -> None:
        if self._clients:
            self._dismiss(min(self._clients.values(), key=lambda client: client.active))

    def _dismiss(self, client: Client) -> None:
        if self._clients.pop(client.sock, None) is None:
            return
        for session in client.sessions.values():
            session.end()
        if client.sock in self._selector.get_map():
            self._selector.unregister(client.sock)
        client.sock.close()
