"""TLS with `openssl s_client` and `openssl s_server` on the other side, in real processes."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.net import listening, turns
from support.streams import raises, receive_to_the_end
from support.tls import VERSIONS, Certificates, openssl_process

Run = Callable[..., Any]
Process = subprocess.Popen[bytes]

FLAGS = {"TLS 1.2": "-tls1_2", "TLS 1.3": "-tls1_3"}
#: Lets a client renegotiate, which OpenSSL 3 forbids by default and Python has no name for.
ALLOW_CLIENT_RENEGOTIATION = 1 << 8


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def write(process: Process, data: bytes) -> None:
    """Type something into a process."""
    assert process.stdin is not None
    process.stdin.write(data)


async def read_until(process: Process, mark: bytes) -> bytes:
    """What a process says, until it has said something."""
    assert process.stdout is not None
    said = b""
    while mark not in said:
        await giambio.wait_readable(process.stdout)
        part = os.read(process.stdout.fileno(), 65536)
        assert part, said.decode(errors="replace")
        said += part
    return said


async def read_all(process: Process) -> bytes:
    """What a process says, until it ends."""
    assert process.stdout is not None
    said = b""
    while True:
        await giambio.wait_readable(process.stdout)
        part = os.read(process.stdout.fileno(), 65536)
        if not part:
            return said
        said += part


def s_client(certificates: Certificates, port: int, *options: str) -> Any:
    """`openssl s_client`, which checks our certificate."""
    return openssl_process(
        *("s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"),
        *("-CAfile", certificates.authority, "-verify_return_error"),
        *("-verify_hostname", "localhost", *options),
    )


@contextlib.asynccontextmanager
async def client_of_ours(
    certificates: Certificates, *options: str, context: ssl.SSLContext | None = None
) -> Any:
    """An `s_client` that has connected to a server of ours: the stream, and the process."""
    with (
        listening() as listener,
        s_client(certificates, listener.getsockname()[1], *options) as process,
    ):
        connection, _ = await listener.accept()
        async with await giambio.start_tls(
            connection, context or certificates.server(), server_side=True
        ) as stream:
            yield stream, process


@contextlib.contextmanager
def s_server(certificates: Certificates, *options: str, **more: Any) -> Iterator[Process]:
    """`openssl s_server` on a free port."""
    certificate, key = certificates.files("server")
    with openssl_process(
        *("s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key, *options),
        **more,
    ) as process:
        yield process


async def port_of(process: Process) -> int:
    """The port that an `s_server` has chosen."""
    said = await read_until(process, b"\n")
    while not (found := re.search(rb"ACCEPT 127\.0\.0\.1:(\d+)\n", said)):
        said += await read_until(process, b"\n")
    return int(found[1])


@contextlib.asynccontextmanager
async def server_of_theirs(
    certificates: Certificates,
    *options: str,
    context: ssl.SSLContext | None = None,
    **more: Any,
) -> Any:
    """A stream that is connected to an `s_server`, and the process."""
    with s_server(certificates, *options, **more) as process:
        sock = giambio.wrap_socket(socket.socket())
        await sock.connect(("127.0.0.1", await port_of(process)))
        async with await giambio.start_tls(
            sock, context or certificates.client(), server_hostname="localhost"
        ) as stream:
            yield stream, process


# -- s_client ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_s_client_talks_and_says_goodbye(
    run: Run, certificates: Certificates, version: str
) -> None:
    async def main() -> None:
        options = ("-quiet", "-no_ign_eof", FLAGS[version])
        async with client_of_ours(certificates, *options) as (stream, process):
            assert stream.tls_version == version.replace(" ", "v")
            write(process, b"hello\n")
            assert await stream.receive() == b"hello\n"
            await stream.send_all(b"HELLO\n")
            assert b"HELLO\n" in await read_until(process, b"HELLO\n")
            process.stdin.close()
            assert await stream.receive() == b""
            assert process.wait(20) == 0

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_s_client_sees_our_goodbye(run: Run, certificates: Certificates, version: str) -> None:
    async def main() -> None:
        options = ("-quiet", FLAGS[version])
        async with client_of_ours(certificates, *options) as (stream, process):
            await stream.send_all(b"that is all\n")
            await stream.close()
            said = await read_all(process)
            assert b"that is all\n" in said
            assert b"unexpected eof" not in said
            assert process.wait(20) == 0

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_s_client_sees_when_there_is_no_goodbye(
    run: Run, certificates: Certificates, version: str
) -> None:
    """The test above would notice a missing goodbye."""

    async def main() -> None:
        options = ("-quiet", FLAGS[version])
        async with client_of_ours(certificates, *options) as (stream, process):
            await stream.send_all(b"that is all\n")
            stream.transport_stream.close()
            assert b"unexpected eof" in await read_all(process)

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_s_client_is_killed(run: Run, certificates: Certificates, version: str) -> None:
    async def main() -> None:
        async with client_of_ours(certificates, FLAGS[version]) as (stream, process):
            async with giambio.TaskManager() as manager:
                broken = giambio.BrokenResourceError
                receiving = await manager.spawn(raises(broken, stream.receive))
                sending = await manager.spawn(raises(broken, stream.send_all, bytes(64 << 20)))
                await read_until(process, bytes(1000))
                process.send_signal(signal.SIGKILL)
            assert receiving.done()
            assert sending.done()

    run(main)


def test_s_client_and_alpn(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        context = certificates.server()
        context.set_alpn_protocols(["http/1.1", "h2"])
        options = ("-alpn", "other,h2")
        async with client_of_ours(certificates, *options, context=context) as (stream, process):
            assert stream.alpn_protocol == "h2"
            assert b"ALPN protocol: h2\n" in await read_until(process, b"ALPN protocol")

    run(main)


def test_s_client_and_client_certificates(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        context = certificates.server()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.authority)
        certificate, key = certificates.files("client")
        options = ("-cert", certificate, "-key", key)
        async with client_of_ours(certificates, *options, context=context) as (stream, _):
            assert ("DNS", "client.example") in stream.peer_certificate["subjectAltName"]

    run(main)


def test_s_client_does_not_trust_a_stranger(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        context = certificates.server(name="stranger")
        with pytest.raises(ssl.SSLError) as caught:
            async with client_of_ours(certificates, context=context):
                pass
        assert caught.value.reason is not None
        assert "ALERT" in caught.value.reason

    run(main)


def test_s_client_upgrades_in_the_middle(run: Run, certificates: Certificates) -> None:
    """STARTTLS of SMTP (RFC 3207), as `openssl` speaks it."""

    async def main() -> None:
        with listening() as listener:
            port = listener.getsockname()[1]
            options = ("-starttls", "smtp", "-name", "client.example", "-quiet", "-no_ign_eof")
            with s_client(certificates, port, *options) as process:
                connection, _ = await listener.accept()
                plain = giambio.BufferedStream(connection)
                await plain.send_all(b"220 mail.example ESMTP\r\n")
                assert await plain.receive_line() == b"EHLO client.example\r\n"
                await plain.send_all(b"250-mail.example\r\n250 STARTTLS\r\n")
                assert await plain.receive_line() == b"STARTTLS\r\n"
                await plain.send_all(b"220 go ahead\r\n")
                async with await giambio.start_tls(
                    plain, certificates.server(), server_side=True
                ) as stream:
                    write(process, b"NOOP\n")
                    encrypted = giambio.BufferedStream(stream)
                    assert await encrypted.receive_line() == b"NOOP\n"
                    process.stdin.close()
                    assert await encrypted.receive_line() == b""
                    assert process.wait(20) == 0

    run(main)


# -- s_server ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_s_server_answers(run: Run, certificates: Certificates, version: str) -> None:
    async def main() -> None:
        async with server_of_theirs(certificates, "-rev", FLAGS[version]) as (stream, _):
            lines = giambio.BufferedStream(stream)
            for line in (b"hello\n", b"a" * 10_000 + b"b\n", b"!\n"):
                await lines.send_all(line)
                assert await lines.receive_line() == line[-2::-1] + b"\n"

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_s_server_sends_a_large_file(
    run: Run, certificates: Certificates, version: str, tmp_path: Path
) -> None:
    data = random.Random(1).randbytes(20 << 20)
    (tmp_path / "large").write_bytes(data)

    async def main() -> None:
        options = ("-HTTP", "-http_server_binmode", FLAGS[version])
        async with server_of_theirs(certificates, *options, cwd=tmp_path) as (stream, _):
            await stream.send_all(b"GET /large HTTP/1.0\r\n\r\n")
            assert await receive_to_the_end(stream) == data

    run(main)


def test_s_server_and_alpn(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        context = certificates.client()
        context.set_alpn_protocols(["h2", "http/1.1"])
        options = ("-alpn", "http/1.1")
        async with server_of_theirs(certificates, *options, context=context) as (stream, _):
            assert stream.alpn_protocol == "http/1.1"

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_s_server_wants_a_certificate(run: Run, certificates: Certificates, version: str) -> None:
    async def main() -> None:
        context = certificates.client(version)
        context.load_cert_chain(*certificates.files("client"))
        options = ("-Verify", "1", "-verify_return_error", "-CAfile", certificates.authority)
        async with server_of_theirs(certificates, *options, context=context) as (stream, process):
            await stream.send_all(b"it is me\n")
            said = await read_until(process, b"it is me\n")
            assert b"subject=CN = a client" in said or b"CN=a client" in said

    run(main)


def test_s_server_refuses_who_has_none(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        options = ("-Verify", "1", "-verify_return_error", "-CAfile", certificates.authority)
        async with server_of_theirs(certificates, *options) as (stream, _):
            error = await raises(giambio.BrokenResourceError, stream.receive)
            assert "certificate required" in str(error)

    run(main)


# -- conversations of TLS's own, in the middle of a conversation ------------------------------


async def count_both_ways(
    stream: giambio.TLSStream, process: Process, command: bytes, mark: bytes
) -> None:
    """Send numbered lines both ways, while the process changes its keys again and again."""
    lines = giambio.BufferedStream(stream)
    said = bytearray()

    async def listen() -> None:
        while True:
            said.extend(await read_until(process, b"\n"))

    sent = 0
    rounds_left = 5

    async def send() -> None:
        nonlocal sent
        # As long as the process is to say something, and not more than it can take: it does
        # not look at what is typed while there is something to receive.
        while rounds_left:
            for _ in range(20):
                await lines.send_all(b"%06d ours\n" % sent)
                sent += 1
            while b"%06d ours\n" % (sent - 1) not in said:
                await giambio.sleep(0.001)

    async with giambio.TaskManager() as manager:
        listening = await manager.spawn(listen)
        sending = await manager.spawn(send)
        while rounds_left:
            marks = said.count(mark)
            write(process, command)
            while said.count(mark) == marks:
                await giambio.sleep(0.001)
            write(process, b"%d theirs\n" % rounds_left)
            assert await lines.receive_line() == b"%d theirs\n" % rounds_left
            rounds_left -= 1
        await sending
        listening.cancel()
    assert re.findall(rb"(\d{6}) ours\n", said) == [b"%06d" % number for number in range(sent)]


@pytest.mark.parametrize("command", [b"k\n", b"K\n"])
def test_s_client_changes_its_keys(run: Run, certificates: Certificates, command: bytes) -> None:
    """RFC 8446, section 4.6.3: alone, or asking us to do the same."""

    async def main() -> None:
        async with client_of_ours(certificates, FLAGS["TLS 1.3"]) as (stream, process):
            await count_both_ways(stream, process, command, b"KEYUPDATE")

    run(main)


@pytest.mark.parametrize("command", [b"k\n", b"K\n"])
def test_s_server_changes_its_keys(run: Run, certificates: Certificates, command: bytes) -> None:
    async def main() -> None:
        async with server_of_theirs(certificates, FLAGS["TLS 1.3"]) as (stream, process):
            await count_both_ways(stream, process, command, b"SSL_do_handshake -> 1")

    run(main)


class Gated(giambio.ByteStream):
    """Holds back what comes in, from the next time on that something is sent."""

    def __init__(self, stream: giambio.ByteStream) -> None:
        self.stream = stream
        self.gate = giambio.Event()
        self.gate.set()
        self.closes_next = False
        self.held = b""

    async def receive(self, max_size: int = 65536) -> bytes:
        if not self.held:
            self.held = await self.stream.receive(max_size)
        await self.gate.wait()
        data, self.held = self.held, b""
        return data

    async def send_all(self, data: Any) -> None:
        if self.closes_next:
            self.closes_next = False
            self.gate = giambio.Event()
        await self.stream.send_all(data)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    def close_now(self) -> None:
        self.stream.close_now()


@contextlib.asynccontextmanager
async def renegotiating(certificates: Certificates, command: bytes) -> Any:
    """A connection on which the server has asked for a new handshake, and its answer is held.

    What is sent meanwhile cannot go out: TLS has to receive first.
    """
    context = certificates.client("TLS 1.2")
    context.load_cert_chain(*certificates.files("client"))
    with s_server(certificates, "-CAfile", certificates.authority) as process:
        sock = giambio.wrap_socket(socket.socket())
        await sock.connect(("127.0.0.1", await port_of(process)))
        below = Gated(sock)
        async with await giambio.start_tls(below, context, server_hostname="localhost") as stream:
            write(process, b"before\n")
            assert await stream.receive() == b"before\n"
            async with giambio.TaskManager() as manager:
                receiving = await manager.spawn(stream.receive())
                below.closes_next = True
                write(process, command)
                while not below.held or below.gate.is_set():  # our hello, and what answers it
                    await giambio.sleep(0.001)
                yield stream, process, below, receiving


@pytest.mark.parametrize("command", [b"r\n", b"R\n"])
def test_s_server_renegotiates(run: Run, certificates: Certificates, command: bytes) -> None:
    """TLS 1.2: a task that sends waits for what the one that receives brings it."""

    async def main() -> None:
        async with (
            renegotiating(certificates, command) as (stream, process, below, receiving),
            giambio.TaskManager() as manager,
        ):
            sending = await manager.spawn(stream.send_all(b"ours\n" * 10_000))
            await turns(50)
            assert not sending.done()
            below.gate.set()
            await sending
            said = await read_until(process, b"SSL_do_handshake -> 1")
            while said.count(b"ours\n") < 10_000:
                said += await read_until(process, b"ours\n")
            write(process, b"theirs\n")
            assert await receiving == b"theirs\n"

    run(main)


def test_renegotiating_goes_on_when_the_task_that_received_is_cancelled(
    run: Run, certificates: Certificates
) -> None:
    """TLS 1.2: a task that sends receives by itself if nobody else does."""

    async def main() -> None:
        async with renegotiating(certificates, b"r\n") as (stream, process, below, receiving):
            async with giambio.TaskManager() as manager:
                sending = await manager.spawn(stream.send_all(b"ours\n"))
                await turns(50)
                receiving.cancel()
                await turns(50)
                assert receiving.cancelled()
                below.gate.set()
                await sending
            await read_until(process, b"ours\n")
            write(process, b"theirs\n")
            assert await stream.receive() == b"theirs\n"

    run(main)


def test_renegotiating_goes_on_when_the_task_that_sends_is_cancelled(
    run: Run, certificates: Certificates
) -> None:
    """Rule 5.9: nothing of it was sent, so what follows can be."""

    async def main() -> None:
        async with renegotiating(certificates, b"r\n") as (stream, process, below, receiving):
            async with giambio.TaskManager() as manager:
                sending = await manager.spawn(stream.send_all(b"never\n"))
                await turns(50)
                sending.cancel()
            below.gate.set()
            await stream.send_all(b"ours\n")
            assert b"never" not in await read_until(process, b"ours\n")
            write(process, b"theirs\n")
            assert await receiving == b"theirs\n"

    run(main)


def test_s_client_renegotiates(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        context = certificates.server("TLS 1.2")
        context.options |= ALLOW_CLIENT_RENEGOTIATION
        async with client_of_ours(certificates, "-state", context=context) as (stream, process):
            write(process, b"begin\n")
            assert await stream.receive() == b"begin\n"
            for number in range(3):
                await stream.send_all(b"%d ours\n" % number)
                await read_until(process, b"%d ours\n" % number)
                async with giambio.TaskManager() as manager:
                    receiving = await manager.spawn(stream.receive())
                    write(process, b"R\n")
                    # It cannot stand data before that is done.
                    await read_until(process, b"read finished")
                    write(process, b"%d theirs\n" % number)
                    assert await receiving == b"%d theirs\n" % number

    run(main)
