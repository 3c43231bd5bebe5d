"""Servers in processes of their own, and the faults of their clients."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.net import (
    ServerProcess,
    drain,
    outcome,
    receive_exactly,
    receive_to_the_end,
    reset,
    server_process,
)
from support.programs import program
from support.tls import Certificates

Run = Callable[..., Any]

ECHO = """
async def handler(stream):
    while data := await stream.receive():
        await stream.send_all(data)
"""


def echoed(client: socket.socket, data: bytes) -> bool:
    """Tell whether a server sends back what it gets."""
    client.sendall(data)
    return drain(client, len(data)) == data


# -- many clients -----------------------------------------------------------------------------

CLIENTS = 1000

MIXED = """
async def handler(stream):
    number = int(await stream.receive(100))
    await stream.send_all(b"%06d" % number)
    if number % 100 == 8:
        raise LookupError(f"by design, for client {number}")
    payload = b"%06d" % number * 20_000
    while data := await stream.receive():
        await stream.send_all(payload)
"""


def test_a_thousand_clients_of_which_half_reset_and_some_make_the_handler_fail(
    run: Run, driver: str
) -> None:
    """Rules 16.6, 16.7: 500 clients reset, 10 make the handler raise, the rest complete."""
    half_way = 0

    async def client(address: Any, number: int, go_on: giambio.Event) -> str:
        nonlocal half_way
        async with await giambio.connect_tcp(*address) as stream:
            await stream.send_all(b"%d" % number)
            assert await receive_exactly(stream, 6) == b"%06d" % number
            half_way += 1
            if half_way == CLIENTS:
                go_on.set()
            await go_on.wait()  # all of them are in the middle now
            if number % 100 == 8:
                return "failed" if await outcome(stream.receive) == b"" else "wrong"
            await stream.send_all(b"go")
            if number % 2:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return "reset"
            expected = b"%06d" % number * 20_000
            assert await receive_exactly(stream, len(expected)) == expected
            await stream.send_eof()
            assert await receive_to_the_end(stream) == b""
            return "complete"

    async def main(address: Any) -> list[str]:
        go_on = giambio.Event()
        with giambio.fail_after(50):
            async with giambio.TaskManager() as manager:
                tasks = [
                    manager.start_soon(client, address, number, go_on) for number in range(CLIENTS)
                ]
        return [task.result() for task in tasks]

    with server_process(driver, MIXED) as server:
        ends = run(main, server.address)
        assert len(ends) == CLIENTS
        assert ends.count("reset") == 500
        assert ends.count("complete") == 490
        assert ends.count("failed") == 10
    assert server.errors.count("LookupError: by design, for client") == 10
    assert server.errors.count("Traceback") == 10


SCARCE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

async def handler(stream):
    while data := await stream.receive():
        await stream.send_all(data)
"""


@pytest.mark.parametrize("ends", ["close", "reset"])
def test_out_of_descriptors_all_clients_are_served_in_the_end(driver: str, ends: str) -> None:
    """Rule 15.18: during a flood of connections."""
    with server_process(driver, SCARCE) as server:
        clients = [server.connect() for _ in range(300)]  # the backlog holds most of them
        for number, client in enumerate(clients):
            assert echoed(client, b"%d" % number)
            if ends == "close":
                client.close()
            else:
                reset(client)
    assert server.errors.count("cannot accept connections at ('127.0.0.1', ") == 1
    assert "Too many open files" in server.errors
    assert "Traceback" not in server.errors


# -- one client that misbehaves, and a bystander ----------------------------------------------

TALK = """
async def handler(stream):
    while await stream.receive(1):
        await stream.send_all(bytes(1_000_000))
    await stream.send_all(b"the end")
"""


def at_once(server: ServerProcess) -> None:
    reset(server.connect())


def after_a_request(server: ServerProcess) -> None:
    client = server.connect()
    client.send(b"x")
    reset(client)


def while_it_answers(server: ServerProcess) -> None:
    client = server.connect()
    client.send(b"x")
    drain(client, 1000)
    reset(client)


def when_the_answer_is_stuck(server: ServerProcess) -> None:
    client = server.connect()
    client.send(b"x" * 50)  # answers for more than all buffers
    drain(client, 5_000_000)
    reset(client)


def after_the_answer(server: ServerProcess) -> None:
    client = server.connect()
    client.send(b"x")
    drain(client, 1_000_000)
    reset(client)


def after_a_half_close(server: ServerProcess) -> None:
    client = server.connect()
    client.send(b"x")
    client.shutdown(socket.SHUT_WR)
    drain(client, 1000)
    reset(client)


def with_an_answer_unread(server: ServerProcess) -> None:
    client = server.connect()
    client.send(b"x")
    client.recv(1, socket.MSG_PEEK)
    client.close()


STAGES = [
    at_once,
    after_a_request,
    while_it_answers,
    when_the_answer_is_stuck,
    after_the_answer,
    after_a_half_close,
    with_an_answer_unread,
]


def test_peers_that_reset_at_each_stage_harm_only_themselves(driver: str) -> None:
    """Rule 16.6: at each stage of a connection."""
    with server_process(driver, TALK, "on_error='raise'") as server:
        for stage in STAGES * 3:
            stage(server)
            with server.connect() as bystander:
                bystander.send(b"x")
                drain(bystander, 1_000_000)
    assert server.errors == ""


def test_half_close_by_the_client(driver: str) -> None:
    """Rule 17.1: a client that has ended its own direction still gets its answer."""
    with server_process(driver, TALK, "on_error='raise'") as server, server.connect() as client:
        client.sendall(b"xxx")
        client.shutdown(socket.SHUT_WR)
        assert drain(client, 3_000_007)[-7:] == b"the end"
        assert client.recv(1) == b""
    assert server.errors == ""


MEGABYTE = 1 << 20
BIG = """
PAYLOAD = bytes(range(256)) * 4096 * 64

async def handler(stream):
    if await stream.receive(1) == b"b":
        await stream.send_all(PAYLOAD)
    else:
        await stream.send_all(b"quick")
"""


def test_a_slow_reader_of_64_mebibytes_gets_them_and_delays_nobody(driver: str) -> None:
    """Backpressure: a slow reader of 64 MiB."""
    with server_process(driver, BIG) as server, server.connect() as slow:
        slow.send(b"b")
        digest = hashlib.sha256()
        for _ in range(64):
            # It reads some only when somebody else has been served.
            with server.connect() as quick:
                quick.send(b"q")
                assert drain(quick, 5) == b"quick"
            digest.update(drain(slow, MEGABYTE))
        assert slow.recv(1) == b""
    assert digest.digest() == hashlib.sha256(bytes(range(256)) * 4096 * 64).digest()
    assert server.errors == ""


# -- no byte ever reaches the wrong connection ------------------------------------------------

WORKERS = 40
ROUNDS = 60


class Traffic:
    """Connections whose bytes all tell to whom they belong, ended in every way there is."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.numbers: set[int] = set()
        self.connections = 0

    async def handler(self, stream: giambio.AsyncSocket) -> None:
        """Send back what comes, which must all be of one connection."""
        self.numbers.add(stream.fileno())
        whose = b""
        rest = b""
        while data := await stream.receive(30_000):
            rest += data
            whole = len(rest) - len(rest) % 8
            found = set(struct.unpack(f"{whole // 8}Q", rest[:whole]))
            whose = whose or rest[:8]
            if found and found != set(struct.unpack("Q", whose)):
                self.wrong.append(f"the server got bytes of {found} on one connection")
            rest = rest[whole:]
            await stream.send_all(data)

    async def client(self, address: Any, number: int) -> None:
        """One connection, which ends in a way that its number decides."""
        self.connections += 1
        mine = struct.pack("Q", number)
        payload = mine * (number % 7000 + 1)
        stream = await giambio.connect_tcp(*address)
        self.numbers.add(stream.fileno())
        async with stream:
            await [
                self.to_the_end,
                self.without_reading,
                self.with_a_reset,
                self.cancelled,
                self.closed_by_another_task,
            ][number % 5](stream, payload)

    def check(self, payload: bytes, received: bytes) -> None:
        if received != payload[: len(received)]:
            self.wrong.append("a client got bytes that it had not sent")

    async def to_the_end(self, stream: giambio.AsyncSocket, payload: bytes) -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(stream.send_all, payload)
            received = await receive_exactly(stream, len(payload))
        self.check(payload, received)

    async def without_reading(self, stream: giambio.AsyncSocket, payload: bytes) -> None:
        await stream.send_all(payload[:20_000])

    async def with_a_reset(self, stream: giambio.AsyncSocket, payload: bytes) -> None:
        await stream.send_all(payload[:20_000])
        self.check(payload, await stream.receive())
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def cancelled(self, stream: giambio.AsyncSocket, payload: bytes) -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(self.converse, stream, payload)
            for _ in range(len(payload) % 9):
                await giambio.checkpoint()
            manager.cancel()

    async def closed_by_another_task(self, stream: giambio.AsyncSocket, payload: bytes) -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(self.converse, stream, payload)
            for _ in range(len(payload) % 9):
                await giambio.checkpoint()
            stream.close()

    async def converse(self, stream: giambio.AsyncSocket, payload: bytes) -> None:
        try:
            await stream.send_all(payload)
            while True:
                self.check(payload, await stream.receive(1))
                payload = payload[1:]
        except (giambio.ClosedResourceError, giambio.BrokenResourceError):
            pass


def test_no_byte_ever_reaches_the_wrong_connection(run: Run) -> None:
    """Rule 15.4: while descriptors are reused."""
    traffic = Traffic()

    async def worker(address: Any, first: int) -> None:
        for number in range(first, first + ROUNDS):
            await traffic.client(address, number)

    async def main() -> None:
        listeners = await giambio.open_tcp_listeners(0, host="127.0.0.1")
        with giambio.fail_after(50):
            async with giambio.TaskManager() as manager:
                manager.start_soon(giambio.serve_listeners, traffic.handler, listeners)
                async with giambio.TaskManager() as workers:
                    for number in range(WORKERS):
                        workers.start_soon(worker, listeners[0].address, number * 1000)
                manager.cancel()

    run(main)
    assert traffic.wrong == []
    assert traffic.connections == WORKERS * ROUNDS
    # The same numbers were used over and over.
    assert len(traffic.numbers) < traffic.connections / 5


# -- curl -------------------------------------------------------------------------------------

HTTP = """
BIG = bytes(range(256)) * 40_000

async def handler(stream):
    stream = giambio.BufferedStream(stream)
    while True:
        try:
            head = await stream.receive_until(b"\\r\\n\\r\\n", 65536)
        except (giambio.EndOfStream, giambio.IncompleteRead):
            return
        request, *lines = head.decode("latin-1").split("\\r\\n")
        _, path, _ = request.split()
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        if headers.get("expect") == "100-continue":
            await stream.send_all(b"HTTP/1.1 100 Continue\\r\\n\\r\\n")
        body = await stream.receive_exactly(int(headers.get("content-length", 0)))
        answer = {"/": b"hello", "/big": BIG, "/echo": body}.get(path)
        status = b"404 Not Found" if answer is None else b"200 OK"
        answer = answer or b""
        await stream.send_all(
            b"HTTP/1.1 %s\\r\\nContent-Length: %d\\r\\n\\r\\n" % (status, len(answer))
        )
        await stream.send_all(answer)
"""


@pytest.fixture
def curl() -> Callable[..., bytes]:
    """Runs `curl`, and returns what it got."""
    found = program("curl")

    def run_curl(*arguments: str) -> bytes:
        command = [found, "--silent", "--show-error", "--fail", "--noproxy", "*", *arguments]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_curl


def test_curl_talks_to_a_small_http_server(
    driver: str, curl: Callable[..., bytes], tmp_path: Path
) -> None:
    """`curl` against a small HTTP server built on `serve_tcp`."""
    upload = tmp_path / "upload"
    upload.write_bytes(os.urandom(3_000_000))
    with server_process(driver, HTTP, "on_error='raise'") as server:
        host, port = server.address
        url = f"http://{host}:{port}"
        assert curl(f"{url}/") == b"hello"
        assert curl(f"{url}/big") == bytes(range(256)) * 40_000
        assert curl("--data-binary", f"@{upload}", f"{url}/echo") == upload.read_bytes()
        # Several requests on one connection.
        counted = curl("--write-out", "%{num_connects} ", *[f"{url}/"] * 3)
        assert counted == b"hello1 hello0 hello0 "
        # Twenty transfers at once.
        assert curl("--parallel", *[f"{url}/"] * 20) == b"hello" * 20
        status = curl("--no-fail", "--write-out", "%{http_code}", f"{url}/nowhere")
        assert status == b"404"
    assert server.errors == ""


def test_curl_talks_tls(
    driver: str, curl: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`curl` against a small HTTP server built on `serve_tcp`, over TLS."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    certificate, key = certificates.files("server")
    code = f"""
import ssl
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain({certificate!r}, {key!r})
OPTIONS["tls"] = context
{HTTP}
"""
    with server_process(driver, code, "on_error='raise'") as server:
        url = f"https://localhost:{server.address[1]}"
        trust = ("--cacert", certificates.authority)
        assert curl(*trust, f"{url}/") == b"hello"
        assert curl(*trust, f"{url}/big") == bytes(range(256)) * 40_000
    assert server.errors == ""
