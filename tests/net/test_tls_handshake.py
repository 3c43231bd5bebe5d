"""TLS handshakes: agreement, trust, and the errors when either is missing."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.net import connected, half_wrapped, reset, turns, wrapped
from support.streams import raises, receive_exactly
from support.tls import VERSIONS, Certificates, blocking_tls, encrypted

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def fail(
    client_options: dict[str, Any], server_options: dict[str, Any]
) -> tuple[BaseException, BaseException]:
    """Start TLS at both ends of a connection, where it is to fail, and return how."""
    ours, theirs = wrapped()
    async with giambio.TaskManager() as manager:
        server = await manager.spawn(
            error_of(giambio.start_tls, theirs, server_side=True, **server_options)
        )
        client = await manager.spawn(error_of(giambio.start_tls, ours, **client_options))
    assert ours.fileno() == theirs.fileno() == -1, "a failed handshake closes the stream"
    return client.result(), server.result()


async def error_of(call: Callable[..., Any], *args: Any, **options: Any) -> BaseException:
    """What a call raises."""
    try:
        await call(*args, **options)
    except Exception as exc:
        return exc
    raise AssertionError(f"{call} did not fail")


# -- agreement ---------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_agreed_on_can_be_seen(run: Run, certificates: Certificates, version: str) -> None:
    async def main() -> None:
        client, server = await encrypted(certificates, version)
        async with client, server:
            expected = version.replace(" ", "v")
            assert client.tls_version == server.tls_version == expected
            assert client.cipher == server.cipher
            assert client.cipher is not None
            assert client.cipher[2] >= 128
            assert client.alpn_protocol is server.alpn_protocol is None
            assert ("DNS", "localhost") in client.peer_certificate["subjectAltName"]
            assert server.peer_certificate is None
            assert client.ssl_object.server_hostname == "localhost"
            assert isinstance(client.transport_stream, giambio.AsyncSocket)
            assert f"<giambio.TLSStream {expected} on <giambio.AsyncSocket" in repr(client)

    run(main)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [(["h2", "http/1.1"], ["http/1.1"], "http/1.1"), (["h2"], ["other"], None)],
)
def test_a_protocol_is_agreed_on_by_alpn(
    run: Run, certificates: Certificates, ours: list[str], theirs: list[str], expected: str | None
) -> None:
    async def main() -> None:
        client_context, server_context = certificates.client(), certificates.server()
        client_context.set_alpn_protocols(ours)
        server_context.set_alpn_protocols(theirs)
        left, right = wrapped()
        async with giambio.TaskManager() as manager:
            starting = await manager.spawn(
                giambio.start_tls(right, server_context, server_side=True)
            )
            client = await giambio.start_tls(left, client_context, server_hostname="localhost")
        with client, starting.result() as server:
            assert client.alpn_protocol == server.alpn_protocol == expected

    run(main)


def test_no_version_in_common(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        client, server = await fail(
            {"context": certificates.client("TLS 1.2"), "server_hostname": "localhost"},
            {"context": certificates.server("TLS 1.3")},
        )
        assert isinstance(client, ssl.SSLError)
        assert client.reason == "TLSV1_ALERT_PROTOCOL_VERSION", "the alert has arrived"
        assert isinstance(server, ssl.SSLError)
        assert server.reason == "UNSUPPORTED_PROTOCOL"

    run(main)


# -- trust -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("other-name", "Hostname mismatch, certificate is not valid for 'localhost'"),
        ("expired", "certificate has expired"),
        ("stranger", "self-signed certificate"),
    ],
)
def test_a_certificate_that_is_no_good(
    run: Run, certificates: Certificates, version: str, name: str, complaint: str
) -> None:
    async def main() -> None:
        client, server = await fail(
            {"context": certificates.client(version), "server_hostname": "localhost"},
            {"context": certificates.server(version, name)},
        )
        assert isinstance(client, ssl.SSLCertVerificationError)
        assert complaint in client.verify_message
        assert "ssl.create_default_context(cafile=...)" in client.__notes__[0]
        assert isinstance(server, ssl.SSLError)
        assert server.reason is not None
        assert "ALERT" in server.reason, "the client has said why"

    run(main)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_name_or_a_numeric_address(run: Run, certificates: Certificates, name: str) -> None:
    async def main() -> None:
        left, right = wrapped()
        async with giambio.TaskManager() as manager:
            starting = await manager.spawn(
                giambio.start_tls(right, certificates.server(), server_side=True)
            )
            client = await giambio.start_tls(left, certificates.client(), server_hostname=name)
        client.close()
        starting.result().close()

    run(main)


def test_the_default_context_does_not_trust_just_anybody(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        client, _ = await fail({"server_hostname": "localhost"}, {"context": certificates.server()})
        assert isinstance(client, ssl.SSLCertVerificationError)
        assert "unable to get local issuer certificate" in client.verify_message

    run(main)


TRUSTING = """
import giambio, socket, sys
async def main(port, name):
    sock = giambio.wrap_socket(socket.socket())
    await sock.connect(("127.0.0.1", port))
    async with await giambio.start_tls(sock, server_hostname=name) as stream:
        await stream.send_all(b"hello")
giambio.run(main, int(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.parametrize("name", ["localhost", "localhost.example"])
def test_the_default_context_trusts_the_system_and_checks_the_name(
    run: Run, certificates: Certificates, name: str
) -> None:
    """In a process of its own, whose system trusts our authority."""

    async def main() -> str:
        with giambio.wrap_socket(socket.create_server(("127.0.0.1", 0))) as listener:
            port = listener.getsockname()[1]
            environment = dict(os.environ, SSL_CERT_FILE=certificates.authority)
            with subprocess.Popen(
                [sys.executable, "-c", TRUSTING, str(port), name],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                connection, _ = await listener.accept()
                try:
                    context = certificates.server()
                    stream = await giambio.start_tls(connection, context, server_side=True)
                    async with stream:
                        assert await stream.receive() == b"hello"
                        assert await stream.receive() == b""
                except ssl.SSLError:
                    pass
                _, errors = process.communicate()
        return errors

    errors = run(main)
    if name == "localhost":
        assert errors == ""
    else:
        assert "Hostname mismatch, certificate is not valid for 'localhost.example'" in errors


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_shows_its_certificate(run: Run, certificates: Certificates, version: str) -> None:
    async def main() -> None:
        server_context = certificates.server(version)
        server_context.verify_mode = ssl.CERT_REQUIRED
        server_context.load_verify_locations(certificates.authority)
        client_context = certificates.client(version)
        client_context.load_cert_chain(*certificates.files("client"))
        left, right = wrapped()
        async with giambio.TaskManager() as manager:
            starting = await manager.spawn(
                giambio.start_tls(right, server_context, server_side=True)
            )
            client = await giambio.start_tls(left, client_context, server_hostname="localhost")
        async with client, starting.result() as server:
            assert ("DNS", "client.example") in server.peer_certificate["subjectAltName"]
            await client.send_all(b"it is me")
            assert await server.receive() == b"it is me"

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_without_the_certificate_that_the_server_wants(
    run: Run, certificates: Certificates, version: str
) -> None:
    """In TLS 1.3 the client learns of it only when it receives."""

    async def main() -> None:
        server_context = certificates.server(version)
        server_context.verify_mode = ssl.CERT_REQUIRED
        left, right = wrapped()
        async with giambio.TaskManager() as manager:
            refusing = await manager.spawn(
                error_of(giambio.start_tls, right, server_context, server_side=True)
            )
            if version == "TLS 1.2":
                options = {"server_hostname": "localhost"}
                error = await error_of(
                    giambio.start_tls, left, certificates.client(version), **options
                )
                assert isinstance(error, ssl.SSLError)
                assert left.fileno() == -1
            else:
                client = await giambio.start_tls(
                    left, certificates.client(version), server_hostname="localhost"
                )
                error = await raises(giambio.BrokenResourceError, client.receive)
                assert "certificate required" in str(error)
                assert isinstance(error.__cause__, ssl.SSLError)
                again = await raises(giambio.BrokenResourceError, client.receive)
                assert str(again) == str(error)
                client.close()
        refused = refusing.result()
        assert isinstance(refused, ssl.SSLError)
        assert refused.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"

    run(main)


# -- those who do not speak TLS --------------------------------------------------------------


def test_a_server_that_does_not_speak_tls(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs:
            theirs.sendall(b"220 mail.example ESMTP\r\n")
            error = await error_of(
                giambio.start_tls, ours, certificates.client(), server_hostname="localhost"
            )
        assert isinstance(error, ssl.SSLError)
        assert error.reason == "WRONG_VERSION_NUMBER"
        assert "does not seem to speak TLS" in error.__notes__[0]
        assert ours.fileno() == -1

    run(main)


def test_a_client_that_speaks_plain_http(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs:
            theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
            error = await error_of(giambio.start_tls, ours, certificates.server(), server_side=True)
        assert isinstance(error, ssl.SSLError)
        assert error.reason == "HTTP_REQUEST"
        assert "plain HTTP" in error.__notes__[0]

    run(main)


def test_a_server_without_a_certificate(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        empty = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        _, server = await fail(
            {"context": certificates.client(), "server_hostname": "localhost"},
            {"context": empty},
        )
        assert isinstance(server, ssl.SSLError)
        assert "load_cert_chain" in server.__notes__[0]

    run(main)


# -- what goes wrong on the way ------------------------------------------------------------


@pytest.mark.parametrize("server_side", [False, True])
@pytest.mark.parametrize("how", ["hangs up", "resets"])
@pytest.mark.parametrize("strict", [False, True])
def test_the_other_side_leaves_before_it_has_said_a_word(
    run: Run, certificates: Certificates, server_side: bool, how: str, strict: bool
) -> None:
    """Also where every failure of a task manager comes in a group, this is one by itself."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        if how == "resets":
            reset(theirs)
        else:
            theirs.close()
        context = certificates.server() if server_side else certificates.client()
        error = await error_of(
            giambio.start_tls,
            ours,
            context,
            server_side=server_side,
            server_hostname=None if server_side else "localhost",
        )
        assert isinstance(error, giambio.BrokenResourceError)
        assert ours.fileno() == -1

    run(main, strict=strict)


def test_the_other_side_hangs_up_in_the_middle(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs:
            async with giambio.TaskManager() as manager:
                starting = await manager.spawn(
                    error_of(
                        giambio.start_tls, ours, certificates.client(), server_hostname="localhost"
                    )
                )
                await giambio.wait_readable(theirs)
                assert theirs.recv(10_000), "the client has said hello"
                theirs.close()
            error = starting.result()
            assert isinstance(error, giambio.BrokenResourceError)
            assert "hung up in the middle of the TLS handshake" in str(error)
            assert isinstance(error.__cause__, ssl.SSLEOFError)

    run(main)


class Cut(giambio.ByteStream):
    """Passes on so many bytes that come in, and then ends or breaks."""

    def __init__(self, stream: giambio.ByteStream, after: int, breaks: bool) -> None:
        self.stream = stream
        self.left = after
        self.breaks = breaks

    async def receive(self, max_size: int = 65536) -> bytes:
        if self.left:
            data = await self.stream.receive(min(max_size, self.left))
            self.left -= len(data)
            return data
        await giambio.checkpoint()
        self.stream.close_now()
        if self.breaks:
            raise giambio.BrokenResourceError("cut")
        return b""

    async def send_all(self, data: Any) -> None:
        await self.stream.send_all(data)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    def close_now(self) -> None:
        self.stream.close_now()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("cut_side", ["client", "server"])
def test_a_connection_that_is_cut_anywhere_breaks_cleanly(
    certificates: Certificates, version: str, breaks: bool, cut_side: str
) -> None:
    """Each of the two sides ends with a `BrokenResourceError`, wherever it was cut."""
    server_context, client_context = certificates.server(version), certificates.client(version)

    async def talk(stream: giambio.ByteStream, server_side: bool) -> str:
        try:
            tls = await giambio.start_tls(
                stream,
                server_context if server_side else client_context,
                server_side=server_side,
                server_hostname=None if server_side else "localhost",
            )
        except giambio.BrokenResourceError:
            return "handshake"
        async with tls:
            try:
                await tls.send_all(b"x" * 1000)
                await receive_exactly(tls, 1000)
            except giambio.BrokenResourceError:
                return "data"
        return "nothing"

    async def main(after: int) -> tuple[str, str]:
        left, right = giambio.memory_stream_pair()
        if cut_side == "client":
            left = Cut(left, after, breaks)
        else:
            right = Cut(right, after, breaks)
        async with giambio.TaskManager() as manager:
            tasks = [
                await manager.spawn(talk(left, False)),
                await manager.spawn(talk(right, True)),
            ]
        return tasks[0].result(), tasks[1].result()

    seen = {giambio.run(main, after) for after in [*range(0, 4000, 97), 10_000]}
    cut = {result[0 if cut_side == "client" else 1] for result in seen}
    assert cut == {"handshake", "data", "nothing"}


def test_cancelled_before_it_has_begun_nothing_has_happened(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with ours, theirs:
            with giambio.CancelScope() as scope:
                scope.cancel()
                await giambio.start_tls(ours, certificates.client(), server_hostname="localhost")
            assert scope.cancelled_caught
            await ours.send_all(b"still plain")
            assert theirs.recv(100) == b"still plain"

    run(main)


@pytest.mark.parametrize("server_side", [False, True])
def test_cancelled_in_the_middle_the_stream_is_closed(
    run: Run, certificates: Certificates, server_side: bool
) -> None:
    """Rule 5.8: a TLS handshake may have happened in part."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs:
            if server_side:
                theirs.sendall(b"\x16\x03\x01")  # the beginning of a client's hello
            with giambio.CancelScope() as scope:
                async with giambio.TaskManager() as manager:
                    context = certificates.server() if server_side else certificates.client()
                    await manager.spawn(
                        giambio.start_tls(
                            ours,
                            context,
                            server_side=server_side,
                            server_hostname=None if server_side else "localhost",
                        )
                    )
                    if server_side:
                        await turns(10)
                    else:
                        await giambio.wait_readable(theirs)
                    scope.cancel()
            assert ours.fileno() == -1
            await raises(giambio.ClosedResourceError, ours.receive)
            if not server_side:
                assert theirs.recv(10_000)
                assert theirs.recv(10_000) == b""

    run(main)


def test_a_handshake_can_have_a_time_limit(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs, giambio.fail_after(0.05):
            await giambio.start_tls(ours, certificates.client(), server_hostname="localhost")

    with pytest.raises(TimeoutError):
        run(main)


def test_a_stream_that_another_task_uses(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs:
            async with giambio.TaskManager() as manager:
                other = await manager.spawn(raises(giambio.ClosedResourceError, ours.receive))
                await turns()
                error = await error_of(
                    giambio.start_tls, ours, certificates.client(), server_hostname="localhost"
                )
                assert isinstance(error, giambio.BusyResourceError)
            assert other.done()

    run(main)


# -- TLS in the middle of a conversation ----------------------------------------------------


def test_an_upgrade_keeps_what_was_received_already(run: Run, certificates: Certificates) -> None:
    """STARTTLS: the client's hello may come together with the last line of plain text."""

    async def serve(sock: giambio.AsyncSocket) -> bytes:
        plain = giambio.BufferedStream(sock)
        assert await plain.receive_line() == b"HELO\r\n"
        await plain.send_all(b"250 hello\r\n")
        assert await plain.receive_line() == b"STARTTLS\r\n"
        assert plain.buffer, "the client's hello came with it"
        async with await giambio.start_tls(
            plain, certificates.server(), server_side=True
        ) as stream:
            await stream.send_all(b"220 encrypted\r\n")
            return await stream.receive()

    def talk(sock: socket.socket) -> None:
        with sock:
            sock.sendall(b"HELO\r\n")
            assert sock.recv(100) == b"250 hello\r\n"
            # Of Python's own TLS, the first flight, behind the last plain line.
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = certificates.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            sock.sendall(b"STARTTLS\r\n" + outgoing.read())
            answers = []
            for step in (tls.do_handshake, lambda: answers.append(tls.read(100))):
                while True:
                    try:
                        step()
                        break
                    except ssl.SSLWantReadError:
                        sock.sendall(outgoing.read())
                        incoming.write(sock.recv(10_000))
            assert answers == [b"220 encrypted\r\n"]
            tls.write(b"thank you")
            with pytest.raises(ssl.SSLWantReadError):
                tls.unwrap()
            sock.sendall(outgoing.read())

    ours, theirs = connected()
    thread = threading.Thread(target=talk, args=(theirs,))
    thread.start()

    async def main() -> None:
        assert await serve(giambio.wrap_socket(ours)) == b"thank you"

    run(main)
    thread.join()


def test_plain_text_slipped_in_before_the_upgrade_is_not_taken_for_encrypted(
    run: Run, certificates: Certificates
) -> None:
    """The attack of CVE-2011-0411: what lies in the buffer goes through TLS, and fails there."""

    async def main() -> None:
        left, right = wrapped()
        with left:
            await left.send_all(b"STARTTLS\r\nRSET\r\n")
            plain = giambio.BufferedStream(right)
            await plain.receive_line()
            error = await error_of(
                giambio.start_tls, plain, certificates.server(), server_side=True
            )
            assert isinstance(error, ssl.SSLError)

    run(main)


# -- mistakes ----------------------------------------------------------------------------


def test_mistakes_are_named_and_leave_the_stream_alone(
    run: Run, certificates: Certificates
) -> None:
    client, server = certificates.client(), certificates.server()

    async def main() -> None:
        left, right = wrapped()
        with left, right:
            for kind, message, options in [
                (ValueError, "server_hostname, the name that", {}),
                (ValueError, "server_hostname, the name that", {"context": client}),
                (ValueError, "context.load_cert_chain(certfile, keyfile)", {"server_side": True}),
                (TypeError, "needs an ssl.SSLContext as context, not True", {"context": True}),
                (
                    ValueError,
                    "a context for the other side; make one with "
                    "ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)",
                    {"context": client, "server_side": True},
                ),
                (
                    ValueError,
                    "ssl.create_default_context(ssl.Purpose.SERVER_AUTH)",
                    {"context": server},
                ),
                (
                    ValueError,
                    "takes no server_hostname",
                    {"context": server, "server_side": True, "server_hostname": "x"},
                ),
            ]:
                error = await error_of(giambio.start_tls, left, **options)
                assert type(error) is kind
                assert message in str(error)
            await left.send_all(b"untouched")
            assert await right.receive() == b"untouched"
        with pytest.raises(TypeError, match="needs a ByteStream, such as a socket, not 5"):
            await giambio.start_tls(5)  # type: ignore[arg-type]
        there, here = giambio.memory_stream_one_way_pair()
        for stream in (there, here):
            with pytest.raises(TypeError, match="needs a ByteStream"):
                await giambio.start_tls(stream)  # type: ignore[arg-type]

    run(main)


def test_no_name_is_needed_where_none_is_checked(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        context = certificates.client()
        context.check_hostname = False
        left, right = wrapped()
        async with giambio.TaskManager() as manager:
            starting = await manager.spawn(
                giambio.start_tls(right, certificates.server(), server_side=True)
            )
            client = await giambio.start_tls(left, context)
        client.close()
        starting.result().close()

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("server_side", [False, True])
def test_python_s_own_tls_is_on_the_other_side(
    run: Run, certificates: Certificates, version: str, server_side: bool
) -> None:
    ours, theirs = connected()
    contexts = certificates.client(version), certificates.server(version)

    def talk() -> None:
        with blocking_tls(theirs, contexts[not server_side], not server_side) as sock:
            while data := sock.recv(1000):
                sock.sendall(data.upper())

    async def main() -> bytes:
        async with await giambio.start_tls(
            giambio.wrap_socket(ours),
            contexts[server_side],
            server_side=server_side,
            server_hostname=None if server_side else "localhost",
        ) as stream:
            await stream.send_all(b"hello")
            return await stream.receive()

    thread = threading.Thread(target=talk)
    thread.start()
    assert run(main) == b"HELLO"
    thread.join()


def test_importing_giambio_does_not_import_ssl() -> None:
    code = "import sys, giambio; print('ssl' in sys.modules, giambio.TLSStream, sep='\\n')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.match(r"False\n<class 'giambio\.", ended.stdout)
