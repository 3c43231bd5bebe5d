"""TLS: bytes in both directions at once, connections that are cut off, and goodbyes."""

from __future__ import annotations

import copyreg
import gc
import random
import socket
import ssl
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.net import connected, fill, fill_wrapped, half_wrapped, outcome, reset, turns, wrapped
from support.streams import raises, receive_exactly, receive_to_the_end, send_in_part
from support.tls import VERSIONS, Certificates, blocking_tls, encrypt, encrypted

Run = Callable[..., Any]
MIB = 1 << 20


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Watched(giambio.ByteStream):
    """Counts what is done with the stream below, and may change what comes in."""

    def __init__(self, stream: giambio.ByteStream) -> None:
        self.stream = stream
        self.receives = 0
        self.sends = 0
        self.change: Callable[[bytes], bytes] = bytes
        self.gate: Callable[[], object] = lambda: None

    async def receive(self, max_size: int = 65536) -> bytes:
        if self.sends:
            self.gate()
        data = await self.stream.receive(max_size)
        self.receives += 1
        return self.change(data)

    async def send_all(self, data: Any) -> None:
        self.sends += 1
        await self.stream.send_all(data)

    async def send(self, data: Any) -> int:
        self.sends += 1
        return await self.stream.send(data)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    def close_now(self) -> None:
        self.stream.close_now()


async def with_blocking_peer(
    certificates: Certificates,
    talk: Callable[[ssl.SSLSocket], Any],
    main: Callable[[giambio.TLSStream], Any],
    version: str | None = None,
    **options: Any,
) -> Any:
    """Be the client of a server with Python's own, blocking TLS in a thread.

    Returns:
        What `talk`, which runs in the thread, returned, or the error that it raised.
    """
    ours, theirs = connected()
    result: list[Any] = []

    def serve() -> None:
        try:
            with blocking_tls(theirs, certificates.server(version), True) as sock:
                result.append(talk(sock))
        except OSError as exc:
            result.append(exc)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        stream = await giambio.start_tls(
            giambio.wrap_socket(ours),
            certificates.client(version),
            server_hostname="localhost",
            **options,
        )
        await main(stream)
    finally:
        while thread.is_alive():
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0.001)
        thread.join()
    return result[0]


# -- bytes through ------------------------------------------------------------------------


def test_many_records_are_received_at_once(run: Run, certificates: Certificates) -> None:
    """No task switch, and no trip to the system, for each record of 16 KiB."""

    async def main() -> None:
        left, right = giambio.memory_stream_pair(1 << 20)
        watched = Watched(right)
        client, server = await encrypt(left, watched, certificates)
        data = random.Random(1).randbytes(60_000)
        await client.send_all(data)
        watched.receives = 0
        assert await server.receive() == data
        assert watched.receives == 1

    run(main)


def test_many_records_are_sent_at_once(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        left, right = giambio.memory_stream_pair(1 << 20)
        watched = Watched(left)
        client, server = await encrypt(watched, right, certificates)
        data = random.Random(1).randbytes(600_000)
        watched.sends = 0
        await client.send_all(data)
        assert watched.sends == 10
        assert await receive_exactly(server, len(data)) == data

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_ten_connections_both_ways_at_once(
    run: Run, certificates: Certificates, version: str
) -> None:
    """Every byte arrives at the right place, whatever the pieces."""
    size = 700_000

    async def send(stream: giambio.TLSStream, data: bytes, dice: random.Random) -> None:
        view = memoryview(data)
        while view:
            piece = dice.choice((1, 5, 1000, 16384, 16385, 200_000))
            await stream.send_all(view[:piece])
            view = view[piece:]

    async def receive(stream: giambio.TLSStream, dice: random.Random) -> bytes:
        data = bytearray()
        while len(data) < size:
            data += await stream.receive(dice.choice((1, 16384, 65536, 100_000)))
        return bytes(data)

    async def main() -> None:
        pairs = [await encrypted(certificates, version) for _ in range(10)]
        sent = {}
        received = {}
        async with giambio.TaskManager() as manager:
            for number, pair in enumerate(pairs):
                for side, stream in enumerate(pair):
                    dice = random.Random(2 * number + side)
                    sent[number, side] = dice.randbytes(size)
                    await manager.spawn(send(stream, sent[number, side], dice))
                    received[number, 1 - side] = await manager.spawn(
                        receive(stream, random.Random(number))
                    )
        assert {key: task.result() for key, task in received.items()} == sent
        for pair in pairs:
            for stream in pair:
                await stream.close()

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_64_mib_to_a_slow_reader(run: Run, certificates: Certificates, version: str) -> None:
    size = 64 * MIB

    def talk(sock: ssl.SSLSocket) -> int:
        total = 0
        while total < size:
            total += len(sock.recv(MIB))
        sock.sendall(b"thank you")
        return total

    async def main(stream: giambio.TLSStream) -> None:
        data = bytes(size)
        async with stream:
            await stream.send_all(data)
            assert await stream.receive() == b"thank you"

    assert run(with_blocking_peer, certificates, talk, main, version) == size


def test_tls_in_tls_in_tls(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        pair: Any = wrapped()
        for _ in range(3):
            pair = await encrypt(*pair, certificates)
        client, server = pair
        async with giambio.TaskManager() as manager:
            data = random.Random(1).randbytes(MIB)
            await manager.spawn(client.send_all(data))
            assert await receive_exactly(server, MIB) == data
        async with giambio.TaskManager() as manager:
            receiving = await manager.spawn(server.receive())
            await client.close()
            assert await receiving == b""
        await server.close()

    run(main)


# -- the end: said goodbye, or cut off -------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["close", "async with", "with", "forgotten await", "close_now"])
def test_closing_says_goodbye(run: Run, certificates: Certificates, version: str, how: str) -> None:
    """Rule 16.10: it ends with a `close_notify`."""

    def talk(sock: ssl.SSLSocket) -> bytes:
        assert sock.recv(100) == b"hello"
        sock.sendall(b"welcome")
        return sock.recv(100)

    async def main(stream: giambio.TLSStream) -> None:
        await stream.send_all(b"hello")
        # This reads the server's session tickets, too: what is unread would turn the end
        # into a reset.
        assert await stream.receive() == b"welcome"
        if how == "close":
            await stream.close()
        elif how == "async with":
            async with stream:
                pass
        elif how == "with":
            with stream:
                pass
        elif how == "forgotten await":
            stream.close()
        else:
            stream.close_now()
        assert stream.transport_stream.fileno() == -1  # type: ignore[attr-defined]

    assert run(with_blocking_peer, certificates, talk, main, version) == b""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["close", "async with", "with", "forgotten await"])
def test_cancelled_it_says_no_goodbye(
    run: Run, certificates: Certificates, version: str, how: str
) -> None:
    """Rule 5.15: TLS skips `close_notify` when cancelled."""

    def talk(sock: ssl.SSLSocket) -> bytes:
        assert sock.recv(100) == b"hello"
        sock.sendall(b"welcome")
        return sock.recv(100)

    async def main(stream: giambio.TLSStream) -> None:
        await stream.send_all(b"hello")
        assert await stream.receive() == b"welcome"
        with giambio.CancelScope() as scope:
            scope.cancel()
            if how == "close":
                await stream.close()
            elif how == "async with":
                async with stream:
                    pass
            elif how == "with":
                with stream:
                    await giambio.checkpoint()
            else:
                stream.close()
        assert stream.transport_stream.fileno() == -1  # type: ignore[attr-defined]

    error = run(with_blocking_peer, certificates, talk, main, version)
    assert isinstance(error, ssl.SSLEOFError)


def test_a_connection_that_was_cut_off(run: Run, certificates: Certificates) -> None:
    """Rule 16.9: what came before is received; then the end is an error, each time."""

    async def main() -> None:
        client, server = await encrypted(certificates)
        await client.send_all(b"all that matt")
        client.transport_stream.close()
        assert await server.receive() == b"all that matt"
        for _ in range(2):
            error = await raises(giambio.BrokenResourceError, server.receive)
            assert "something may be missing" in str(error)
            assert isinstance(error.__cause__, ssl.SSLEOFError)
        await server.close()

    run(main)


def test_a_connection_that_was_cut_off_inside_a_record(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        left, right = giambio.memory_stream_pair()
        client, server = await encrypt(left, right, certificates)
        client.ssl_object.write(b"half of this")
        ciphertext = client._records.take_out()
        await left.send_all(ciphertext[:-5])
        left.close()
        await raises(giambio.BrokenResourceError, server.receive)

    run(main)


def test_hanging_up_may_be_allowed(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        client, server = await encrypted(certificates, standard_compatible=False)
        await client.send_all(b"Content-Length knows")
        client.transport_stream.close()
        assert await receive_to_the_end(server) == b"Content-Length knows"
        assert await server.receive() == b""
        await server.close()

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_other_side_says_goodbye_first(
    run: Run, certificates: Certificates, version: str
) -> None:
    def talk(sock: ssl.SSLSocket) -> bytes:
        sock.sendall(b"that is all")
        sock.unwrap()  # waits for our goodbye too
        return b"goodbye"

    async def main(stream: giambio.TLSStream) -> None:
        assert await receive_to_the_end(stream) == b"that is all"
        await stream.close()

    assert run(with_blocking_peer, certificates, talk, main, version) == b"goodbye"


@pytest.mark.parametrize("version", VERSIONS)
def test_closing_does_not_wait_for_the_other_side(
    run: Run, certificates: Certificates, version: str
) -> None:
    """Rule 16.10: closing does not wait for the other side's."""

    async def main() -> None:
        client, server = await encrypted(certificates, version)
        await client.close()
        await server.close()

    run(main)


def test_nothing_is_lost_when_a_client_only_sends_and_closes(
    run: Run, certificates: Certificates
) -> None:
    """The server's tickets lie unread: closed like that, a socket resets its connection."""
    size = 3 * MIB
    tickets_sent = threading.Event()
    closed = threading.Event()

    def talk(sock: ssl.SSLSocket) -> int:
        tickets_sent.set()
        assert closed.wait(20)
        total = 0
        while data := sock.recv(65536):
            total += len(data)
        return total

    async def main(stream: giambio.TLSStream) -> None:
        while not tickets_sent.is_set():
            await giambio.sleep(0.001)
        below = stream.transport_stream
        assert isinstance(below, giambio.AsyncSocket)
        below.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * MIB)
        await giambio.wait_readable(below.fileno())
        with giambio.fail_after(20):
            await stream.send_all(bytes(size))
            await stream.close()
        closed.set()

    assert run(with_blocking_peer, certificates, talk, main, "TLS 1.3") == size


def test_a_client_that_says_one_thing_and_is_gone_is_heard(
    run: Run, certificates: Certificates
) -> None:
    """A server's handshake does not fail because nobody takes its tickets any more."""
    ours, theirs = connected()

    def talk() -> None:
        with blocking_tls(theirs, certificates.client("TLS 1.3"), False) as sock:
            sock.sendall(b"one thing")

    async def main() -> None:
        watched = Watched(giambio.wrap_socket(ours))
        watched.gate = thread.join  # the second flight comes when the client has gone
        stream = await giambio.start_tls(watched, certificates.server(), server_side=True)
        async with stream:
            assert await stream.receive() == b"one thing"
            await raises(giambio.BrokenResourceError, stream.receive)

    thread = threading.Thread(target=talk)
    thread.start()
    run(main)


@pytest.mark.usefixtures("in_turn")  # `close_now` cuts off a goodbye that is being said
def test_closing_twice_and_from_two_tasks(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        client, server = await encrypted(certificates)
        async with giambio.TaskManager() as manager:
            await manager.spawn(client.close())
            await manager.spawn(client.close())
            closing = client.close()
            await closing
            client.close()
            client.close_now()
        assert await server.receive() == b""
        await server.close()
        later = server.close()
        await later

    run(main)


def test_a_closing_can_be_awaited_once(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        client, server = await encrypted(certificates)
        server.close()
        closing: Any = client.close()
        await closing
        with pytest.raises(RuntimeError, match="was awaited already"):
            await closing

    run(main)


def test_a_goodbye_that_finds_no_room_waits_and_can_be_cancelled(
    run: Run, certificates: Certificates
) -> None:
    """Rules 16.10, 5.14: closed at once, and the next thing is the cancellation."""

    async def main() -> None:
        left, right = giambio.memory_stream_pair(1000)
        client, _ = await encrypt(left, right, certificates)
        await left.send_all(bytes(1000))
        async with giambio.TaskManager() as manager:
            closing = await manager.spawn(client.close())
            await turns(10)
            assert not closing.done()
            closing.cancel()
        assert closing.cancelled()
        await raises(giambio.ClosedResourceError, left.receive)
        assert await receive_exactly(right, 1000) == bytes(1000)
        assert await right.receive() == b"", "nothing of the goodbye has got out"

    run(main)


def test_a_goodbye_that_finds_no_room_waits_until_there_is_some(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        left, right = giambio.memory_stream_pair(1000)
        client, server = await encrypt(left, right, certificates)
        await client.send_all(bytes(970))
        async with giambio.TaskManager() as manager:
            closing = await manager.spawn(client.close())
            await turns(10)
            assert not closing.done()
            await client.close()  # a second one does not cut the first short
            client.close()
            assert await receive_to_the_end(server) == bytes(970)

    run(main)


@pytest.mark.parametrize("kind", ["memory", "TCP"])
def test_two_that_close_and_have_no_room_do_not_wait_for_each_other(
    run: Run, certificates: Certificates, kind: str
) -> None:
    """A goodbye may have to wait until the other side has taken what was sent before."""

    async def main() -> None:
        ends = giambio.memory_stream_pair(1000) if kind == "memory" else wrapped()
        pair = await encrypt(*ends, certificates)
        for end in ends:
            await (end.send_all(bytes(1000)) if kind == "memory" else fill_wrapped(end))
        async with giambio.TaskManager() as manager:
            for stream in pair:
                manager.start_soon(stream.close)

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_who_receives_when_it_is_closed_is_told_so(
    run: Run, certificates: Certificates, version: str
) -> None:
    """Also while the goodbye waits for room, and something comes after all."""

    async def main() -> None:
        left, right = giambio.memory_stream_pair(1000)
        client, server = await encrypt(left, right, certificates, version)
        await server.send_all(b"heard")
        assert await client.receive() == b"heard"
        await client.send_all(bytes(970))
        async with giambio.TaskManager() as manager:
            receiving = manager.start_soon(raises, giambio.ClosedResourceError, client.receive)
            await turns()
            closing = await manager.spawn(client.close())
            await turns()
            assert not closing.done()
            await server.send_all(b"too late")
            await turns()
            assert receiving.done()
            assert await receive_to_the_end(server) == bytes(970)
        await server.close()

    run(main)


def test_closing_while_another_task_sends_is_no_clean_end(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        client, server = await encrypted(certificates)
        async with giambio.TaskManager() as manager:
            sending = await manager.spawn(
                raises(giambio.ClosedResourceError, client.send_all, bytes(64 * MIB))
            )
            await server.receive(1)
            await client.close()
            await sending
        with pytest.raises(giambio.BrokenResourceError):
            await receive_to_the_end(server)
        await server.close()

    run(main)


@pytest.mark.parametrize("how", ["close", "close_now"])
def test_closing_after_a_send_that_was_cut_short_is_no_clean_end(
    run: Run, certificates: Certificates, how: str
) -> None:
    async def main() -> None:
        client, server = await encrypted(certificates)
        await send_in_part(client, server)
        getattr(client, how)()
        with pytest.raises(giambio.BrokenResourceError):
            await receive_to_the_end(server)
        await server.close()

    run(main)


def test_a_dropped_stream_lets_its_socket_warn(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        client, server = await encrypted(certificates)
        server.close()
        with pytest.warns(ResourceWarning, match=r"AsyncSocket.* was dropped without being closed"):
            del client
            gc.collect()

    run(main)


def test_a_stream_can_be_closed_when_the_loop_has_ended(
    run: Run, certificates: Certificates
) -> None:
    client, server = run(encrypted, certificates)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.close()
        server.close_now()
    assert client.transport_stream.fileno() == server.transport_stream.fileno() == -1


# -- one direction -----------------------------------------------------------------------


def test_tls_1_2_cannot_end_one_direction(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        client, server = await encrypted(certificates, "TLS 1.2")
        async with client, server:
            error = await raises(NotImplementedError, client.send_eof)
            assert str(error) == (
                "TLSv1.2 cannot end one direction alone, only TLS 1.3 can; "
                "end each message by itself, or close the stream"
            )
            await client.send_all(b"goes on")
            assert await server.receive() == b"goes on"

    run(main)


def test_what_had_come_before_the_end_of_our_direction_is_not_dropped(
    run: Run, certificates: Certificates
) -> None:
    """OpenSSL drops what lies unread when it says goodbye."""

    async def main() -> None:
        client, server = await encrypted(certificates, "TLS 1.3")
        async with client, server:
            data = random.Random(1).randbytes(50_000)
            await server.send_all(data)
            assert await client.receive(100) == data[:100]
            await client.send_eof()
            assert await server.receive() == b""
            await server.send_all(b"and more")
            kept = await client.receive(2**70)
            rest = await receive_exactly(client, 49_908 - len(kept))
            assert kept + rest == data[100:] + b"and more"
            await server.close()
            assert await client.receive() == b""

    run(main)


def test_ciphertext_is_kept_and_sent_first(run: Run, certificates: Certificates) -> None:
    """Rule 5.10: TLS ciphertext already produced is kept and sent first."""

    async def main() -> None:
        left, right = giambio.memory_stream_pair(1000)
        client, server = await encrypt(left, right, certificates)
        await client.send_all(bytes(970))  # so that a goodbye finds room for a part of it
        async with giambio.TaskManager() as manager:
            ending = await manager.spawn(client.send_eof())
            await turns(10)
            ending.cancel()
        assert ending.cancelled()
        assert await receive_exactly(server, 970) == bytes(970)
        async with giambio.TaskManager() as manager:
            receiving = await manager.spawn(server.receive())
            await turns(10)
            assert not receiving.done(), "there is only a part of the goodbye"
            await client.send_eof()
            assert await receiving == b""

    run(main)


def test_a_goodbye_that_was_cut_short_is_finished_by_closing(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        left, right = giambio.memory_stream_pair(1000)
        client, server = await encrypt(left, right, certificates)
        await client.send_all(bytes(970))
        async with giambio.TaskManager() as manager:
            ending = await manager.spawn(client.send_eof())
            await turns(10)
            ending.cancel()
        async with giambio.TaskManager() as manager:
            await manager.spawn(client.close())
            assert await receive_to_the_end(server) == bytes(970)

    run(main)


# -- conversations of TLS's own ---------------------------------------------------------------


async def may_be_asked(
    certificates: Certificates,
    left: giambio.ByteStream,
    right: giambio.ByteStream,
    prepare: Callable[[ssl.SSLContext], None] = lambda context: None,
) -> tuple[giambio.TLSStream, giambio.TLSStream]:
    """A connection on which the server can ask for a certificate after the handshake."""
    server_context = certificates.server("TLS 1.3")
    server_context.load_verify_locations(certificates.authority)
    server_context.verify_mode = ssl.CERT_REQUIRED
    prepare(server_context)
    client_context = certificates.client("TLS 1.3")
    client_context.load_cert_chain(*certificates.files("client"))
    server_context.post_handshake_auth = client_context.post_handshake_auth = True
    async with giambio.TaskManager() as manager:
        starting = await manager.spawn(giambio.start_tls(right, server_context, server_side=True))
        client = await giambio.start_tls(left, client_context, server_hostname="localhost")
    return client, starting.result()


async def ask(server: giambio.TLSStream, client: giambio.TLSStream) -> None:
    """Have the server ask, and the client hear it; it answers when it receives again."""
    server.ssl_object.verify_client_post_handshake()  # type: ignore[attr-defined]
    async with giambio.TaskManager() as manager:
        await manager.spawn(server.send_all(b"who are you?"))
        assert await client.receive() == b"who are you?"


def is_known(server: giambio.TLSStream) -> bool:
    """Tell whether the client's certificate has come."""
    try:
        return server.peer_certificate is not None
    except ValueError:
        return False  # a part of it has


async def be_answered(server: giambio.TLSStream, client: giambio.TLSStream) -> None:
    """Have both only receive until the server knows the client; then talk."""
    async with giambio.TaskManager() as manager:
        answering = await manager.spawn(client.receive())
        receiving = await manager.spawn(server.receive())
        while not is_known(server):
            await giambio.sleep(0.001)
        assert ("DNS", "client.example") in server.peer_certificate["subjectAltName"]
        await client.send_all(b"it is me")
        assert await receiving == b"it is me"
        await server.send_all(b"welcome")
        assert await answering == b"welcome"


def test_receiving_answers_for_tls(run: Run, certificates: Certificates) -> None:
    """A server may ask for a certificate at any time; whoever receives sends the answer."""

    async def main() -> None:
        client, server = await may_be_asked(certificates, *wrapped())
        await ask(server, client)
        async with client, server:
            assert server.peer_certificate is None
            await be_answered(server, client)

    run(main)


@pytest.mark.parametrize("way", ["at once", "later", "sni_callback", "sslobject_class"])
def test_receiving_sends_what_a_user_had_the_ssl_object_say(
    run: Run, certificates: Certificates, way: str
) -> None:
    """It has nothing to decrypt then, and still has to ask OpenSSL."""
    had: list[Any] = []

    class Shown(ssl.SSLObject):
        def do_handshake(self) -> None:
            had.append(self)
            super().do_handshake()

    def prepare(context: ssl.SSLContext) -> None:
        if way == "sni_callback":
            context.sni_callback = lambda ssl_object, *_: had.append(ssl_object)
        if way == "sslobject_class":
            context.sslobject_class = Shown

    async def main() -> None:
        client, server = await may_be_asked(certificates, *wrapped(), prepare)
        async with client, server:
            if way == "at once":
                had.append(server.ssl_object)
            await client.send_all(b"hello")
            assert await server.receive() == b"hello"
            assert server.peer_certificate is None
            if way == "later":
                had.append(server.ssl_object)
            had[0].verify_client_post_handshake()
            await be_answered(server, client)

    run(main)


def test_a_cancelled_receive_does_not_lose_the_answer_that_it_was_sending(
    run: Run, certificates: Certificates
) -> None:
    """Rule 5.10: TLS ciphertext already produced is kept and sent first."""

    async def main() -> None:
        left, right = giambio.memory_stream_pair(50)
        client, server = await may_be_asked(certificates, left, right)
        await ask(server, client)
        cancelled = 0
        async with giambio.TaskManager() as manager:
            receiving = await manager.spawn(server.receive())
            while not is_known(server):
                async with giambio.TaskManager() as inner:
                    answering = await inner.spawn(client.receive())
                    for _ in range(4):  # not enough for the whole answer
                        await giambio.checkpoint()
                    answering.cancel()
                cancelled += answering.cancelled()
            await client.send_all(b"it is me")
            assert await receiving == b"it is me"
        assert cancelled > 5

    run(main)


def test_receiving_goes_on_also_if_an_answer_cannot_be_sent(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        left_out, right_in = giambio.memory_stream_one_way_pair()
        right_out, left_in = giambio.memory_stream_one_way_pair()
        client, server = await may_be_asked(
            certificates,
            giambio.StapledStream(left_out, left_in),
            giambio.StapledStream(right_out, right_in),
        )
        await ask(server, client)
        right_in.close()
        async with giambio.TaskManager() as manager:
            receiving = await manager.spawn(client.receive())
            await turns(10)
            await server.send_all(b"never mind")
            assert await receiving == b"never mind"

    run(main)


@pytest.mark.parametrize("how", ["close", "close_now"])
def test_a_goodbye_goes_behind_an_answer_that_was_kept(
    run: Run, certificates: Certificates, how: str
) -> None:
    async def main() -> None:
        client, server = await may_be_asked(certificates, *wrapped())
        await ask(server, client)
        while not client._wire.unsent:  # it has the question, and its answer did not get out
            async with giambio.TaskManager() as manager:
                answering = await manager.spawn(client.receive())
                await giambio.checkpoint()
                answering.cancel()
        if how == "close":
            await client.close()
        else:
            client.close_now()
        assert await server.receive() == b""
        assert is_known(server)
        await server.close()

    run(main)


def test_a_goodbye_goes_behind_an_answer_that_is_being_sent(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        client, server = await may_be_asked(certificates, *giambio.memory_stream_pair(100))
        await ask(server, client)
        async with giambio.TaskManager() as manager:
            await manager.spawn(raises(giambio.ClosedResourceError, client.receive))
            await turns(20)
            await manager.spawn(client.close())
            assert await server.receive() == b""
            assert is_known(server)

    run(main)


def test_receiving_starts_no_task_unless_there_is_an_answer(
    run: Run, certificates: Certificates
) -> None:
    class Counting(giambio.Hook):
        spawned_tasks = 0

        def spawned(self, task: giambio.Task[Any], by: object) -> None:
            self.spawned_tasks += 1

    async def main() -> None:
        client, server = await may_be_asked(certificates, *wrapped())
        await ask(server, client)
        async with client, server, giambio.TaskManager() as manager:
            answering = await manager.spawn(client.receive())
            receiving = await manager.spawn(server.receive())
            while not is_known(server):
                await giambio.sleep(0.001)
            await client.send_all(b"it is me")
            await receiving
            counting = Counting()
            giambio.current_loop().add_hook(counting)
            await server.send_all(b"welcome")
            assert await answering == b"welcome"
            for _ in range(10):
                await client.send_all(b"ping")
                assert await server.receive() == b"ping"
                await server.send_all(b"pong")
                assert await client.receive() == b"pong"
            assert counting.spawned_tasks == 0

    run(main)


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_answer_goes_behind_what_another_task_is_sending(
    run: Run, certificates: Certificates, cancelled: bool
) -> None:
    """Also if that task is cancelled: then the one that has the answer sends the rest."""

    async def main() -> None:
        client, server = await may_be_asked(certificates, *giambio.memory_stream_pair(5000))
        received = 0
        async with giambio.TaskManager() as manager:

            async def keep_receiving() -> None:
                nonlocal received
                while True:  # after the answer there is nothing more to receive
                    received += len(await server.receive(1000))

            sending = await manager.spawn(client.send_all(bytes(300_000)))
            received += len(await server.receive())
            await ask(server, client)
            answering = await manager.spawn(client.receive())
            await turns(20)
            if cancelled:
                sending.cancel()
            receiving = await manager.spawn(keep_receiving)
            while not is_known(server) or (received < 300_000 and not cancelled):
                await giambio.sleep(0.001)
            receiving.cancel()
            answering.cancel()
        assert sending.cancelled() == cancelled
        assert received == 300_000 or cancelled

    run(main)


def test_receiving_does_not_wait_for_what_others_have_to_send(
    run: Run, certificates: Certificates
) -> None:
    """The other side takes nothing, but has something to say."""

    async def main() -> None:
        client, server = await encrypted(certificates)
        with client, server:
            async with giambio.TaskManager() as manager:
                sending = await manager.spawn(client.send_all(bytes(64 * MIB)))
                await server.receive(1)
                await turns(20)
                await server.send_all(b"stop")
                assert await client.receive() == b"stop"
                sending.cancel()
            await server.send_all(b"thank you")
            assert await client.receive() == b"thank you"

    run(main)


# -- faults ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("doing", ["receiving", "sending", "idle"])
def test_the_other_side_resets_in_the_middle(
    run: Run, certificates: Certificates, version: str, doing: str
) -> None:
    said = threading.Event()

    def talk(sock: ssl.SSLSocket) -> None:
        sock.recv(1)
        assert said.wait(20)
        reset(sock)

    async def main(stream: giambio.TLSStream) -> None:
        broken = giambio.BrokenResourceError
        await stream.send_all(b"x")
        async with giambio.TaskManager() as manager:
            if doing == "receiving":
                await manager.spawn(raises(broken, stream.receive))
            elif doing == "sending":
                await manager.spawn(raises(broken, stream.send_all, bytes(64 * MIB)))
            await turns(10)
            said.set()
        if doing == "idle":
            await giambio.wait_readable(stream.transport_stream.fileno())  # type: ignore[attr-defined]
            await raises(broken, stream.receive)
        await raises(broken, stream.receive)
        await raises(broken, stream.send_all, bytes(64 * MIB))
        await stream.close()  # there is nobody to say goodbye to, and that is no error

    assert run(with_blocking_peer, certificates, talk, main, version) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bit_that_was_flipped_on_the_way(
    run: Run, certificates: Certificates, version: str
) -> None:
    """What came before is received; what is wrong is told each time, and to the other side."""

    async def main() -> None:
        left, right = giambio.memory_stream_pair()
        watched = Watched(right)
        client, server = await encrypt(left, watched, certificates, version)
        await client.send_all(b"good, ")
        await client.send_all(b"bad")
        watched.change = lambda data: data[:-1] + bytes([data[-1] ^ 1])
        assert await server.receive() == b"good, "
        for _ in range(2):
            error = await raises(giambio.BrokenResourceError, server.receive)
            assert "the TLS connection broke: " in str(error)
            # OpenSSL 3.6 names the layer that has noticed it.
            assert any(what in str(error).lower() for what in ("mac", "record layer failure"))
            assert isinstance(error.__cause__, ssl.SSLError)
        await raises(giambio.BrokenResourceError, server.send_all, b"x")
        await server.close()
        error = await raises(giambio.BrokenResourceError, client.receive)
        assert "alert bad record mac" in str(error)
        client.close()

    run(main)


def reduced_with_its_traceback(exc: ssl.SSLError) -> tuple[Any, ...]:
    """What `copy` is told of an error: how to make one like it."""
    trace = exc.__traceback__
    return (lambda: ssl.SSLError(*exc.args).with_traceback(trace)), ()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("copies", ["plain", "with tracebacks"])
def test_nonsense_after_the_handshake(
    run: Run, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, copies: str
) -> None:
    """It is told each time, and the error, which is kept for that, keeps no frame alive.

    Also where copies of exceptions have tracebacks, which tblib sees to, and by it Dask.
    """
    if copies == "with tracebacks":
        monkeypatch.setitem(copyreg.dispatch_table, ssl.SSLError, reduced_with_its_traceback)

    async def main() -> None:
        client, server = await encrypted(certificates)
        async with client, server:
            await client.transport_stream.send_all(b"this is no TLS at all")
            for _ in range(2):
                await raises(giambio.BrokenResourceError, server.receive)
        freed = weakref.ref(server)
        del server
        assert freed() is None

    run(main)


def test_a_default_timeout_of_sockets_does_not_hold_up_a_goodbye(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> float:
        client, server = await encrypted(certificates)
        before = time.monotonic()
        socket.setdefaulttimeout(20)
        try:
            client.close_now()
            await server.close()
        finally:
            socket.setdefaulttimeout(None)
        return time.monotonic() - before

    assert run(main) < 15


@pytest.mark.parametrize("how", ["close", "close_now"])
def test_a_goodbye_never_goes_to_another_connection(
    run: Run, certificates: Certificates, how: str
) -> None:
    """Somebody has closed the plain socket, and its number is given to the next one."""

    async def main() -> None:
        ours, theirs = connected()
        number = ours.fileno()
        left, right = giambio.wrap_socket(ours), giambio.wrap_socket(theirs)
        client, server = await encrypt(left, right, certificates)
        ours.close()
        others = [sock for _ in range(20) for sock in socket.socketpair()]
        assert number in [sock.fileno() for sock in others]
        if how == "close":
            await outcome(client.close)
        else:
            client.close_now()
        for sock in others:
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(100)
        for sock in others:
            sock.close()
        await server.close()

    run(main)


def test_the_stream_below_is_closed_behind_its_back(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        client, server = await encrypted(certificates)
        async with server:
            async with giambio.TaskManager() as manager:
                receiving = await manager.spawn(raises(giambio.ClosedResourceError, client.receive))
                await turns()
                client.transport_stream.close()
                await receiving
            await raises(giambio.ClosedResourceError, client.send_all, b"x")
            await client.close()

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_cancelled_at_any_moment_nothing_is_lost(certificates: Certificates, version: str) -> None:
    """Rule 5.5: a cancelled receive, over a stream that lets one byte in at a time.

    The buffer in memory is so small that a record comes in many pieces.
    """
    data = random.Random(1).randbytes(30_000)

    async def main(seed: int) -> None:
        dice = random.Random(seed)
        left, right = giambio.memory_stream_pair(dice.choice((50, 300, 5000)))
        client, server = await encrypt(left, right, certificates, version)
        received = bytearray()
        async with giambio.TaskManager() as manager:
            await manager.spawn(client.send_all(data))
            while len(received) < len(data):
                async with giambio.TaskManager() as inner:
                    receiving = await inner.spawn(server.receive(dice.choice((10, 1000, 65536))))
                    await turns(dice.randrange(20))
                    receiving.cancel()
                if not receiving.cancelled():
                    received += receiving.result()
        assert bytes(received) == data

    for seed in range(10):
        giambio.run(main, seed)


def test_a_full_socket_does_not_keep_it_from_closing_at_once(
    run: Run, certificates: Certificates
) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        other, server_end = connected()
        with theirs, other, server_end:
            fill(theirs)
            ours.close()
        client, server = await encrypted(certificates)
        await send_in_part(client, server)
        with server, client:
            pass
        assert client.transport_stream.fileno() == -1  # type: ignore[attr-defined]

    run(main)
