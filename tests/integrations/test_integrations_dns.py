"""dnspython inside giambio tasks, against a DNS server on loopback."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.net import unused_port
from support.patches import patched
from support.programs import printed
from support.tls import Certificates

pytest.importorskip("dns")

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.message
import dns.rcode

Run = Callable[..., Any]
HOST = "127.0.0.1"


def answer(wire: bytes, most: int = 65535) -> bytes:
    """What the server says: one address, much text, or that there is no such name."""
    query = dns.message.from_wire(wire)
    response = dns.message.make_response(query)
    name, kind = query.question[0].name, query.question[0].rdtype
    if name.to_text().startswith("missing"):
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif dns.rdatatype.to_text(kind) == "A":
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.1"))
    elif dns.rdatatype.to_text(kind) == "TXT":
        texts = [f'"{number:0200}"' for number in range(20)]
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *texts))
    if len(response.to_wire()) > most:
        response.answer.clear()
        response.flags |= dns.flags.TC
    return response.to_wire()


@asynccontextmanager
async def server(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server for UDP and TCP; to a question for `silent.` it says nothing."""
    port = unused_port()

    async def datagrams(sock: giambio.AsyncDatagramSocket) -> None:
        while True:
            wire, sender = await sock.receive_from()
            if b"\x06silent" not in wire:
                await sock.send_to(answer(wire, 512), sender)

    async def connection(stream: Any) -> None:
        buffered = giambio.BufferedStream(stream)
        while True:
            try:
                (size,) = struct.unpack("!H", await buffered.receive_exactly(2))
            except (giambio.IncompleteRead, giambio.EndOfStream):
                return
            wire = await buffered.receive_exactly(size)
            if b"\x06silent" not in wire:
                response = answer(wire)
                await stream.send_all(struct.pack("!H", len(response)) + response)

    async with (
        await giambio.open_udp(port, host=HOST) as sock,
        giambio.TaskManager() as manager,
    ):
        manager.start_soon(datagrams, sock)
        await manager.start(lambda task_status: serve(connection, port, tls, task_status))
        yield port
        manager.cancel()


async def serve(handler: Any, port: int, tls: ssl.SSLContext | None, task_status: Any) -> None:
    await giambio.serve_tcp(handler, port, host=HOST, tls=tls, task_status=task_status)


def texts(response: Any) -> int:
    return len(response.answer[0])


def test_a_query_over_udp_and_tcp(run: Run) -> None:
    async def main() -> Any:
        async with server() as port:
            query = dns.message.make_query("example.", "A")
            over_udp = await dns.asyncquery.udp(query, HOST, 5, port)
            over_tcp = await dns.asyncquery.tcp(query, HOST, 5, port, source=HOST)
            return over_udp.answer[0][0].to_text(), over_tcp.answer[0][0].to_text()

    assert run(main) == ("192.0.2.1", "192.0.2.1")


def test_what_is_cut_off_over_udp_comes_over_tcp(run: Run) -> None:
    async def main() -> Any:
        async with server() as port:
            query = dns.message.make_query("example.", "TXT")
            response, tcp = await dns.asyncquery.udp_with_fallback(query, HOST, 5, port)
            return texts(response), tcp

    assert run(main) == (20, True)


def test_a_query_over_tls(run: Run, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificates.files("server"))
    trusting = ssl.create_default_context(cafile=certificates.authority)

    async def main() -> Any:
        async with server(context) as port:
            query = dns.message.make_query("example.", "TXT")
            options: Any = {"ssl_context": trusting, "server_hostname": "localhost"}
            response = await dns.asyncquery.tls(query, HOST, 5, port, **options)
            backend: Any = dns.asyncbackend.get_default_backend()
            stream = await backend.make_socket(
                socket.AF_INET, socket.SOCK_STREAM, 0, None, (HOST, port), 5, trusting, "localhost"
            )
            async with stream:
                assert (await stream.getpeername())[1] == port
                assert (await stream.getpeercert(5))["subject"]
            return texts(response)

    assert run(main) == 20


def test_the_resolver(run: Run) -> None:
    async def main() -> Any:
        async with server() as port:
            resolver = dns.asyncresolver.Resolver(configure=False)
            resolver.nameservers = [HOST]
            resolver.port = port
            found = await giambio.gather(*[resolver.resolve("example.", "A") for _ in range(20)])
            assert len(await resolver.resolve("example.", "TXT")) == 20
            with pytest.raises(dns.resolver.NXDOMAIN):
                await resolver.resolve("missing.", "A")
            with pytest.raises(dns.resolver.LifetimeTimeout):
                await resolver.resolve("silent.", "A", lifetime=0.05)
            return {answer[0].to_text() for answer in found}

    assert run(main) == {"192.0.2.1"}


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_a_server_that_says_nothing(run: Run, way: str) -> None:
    async def main() -> None:
        async with server() as port:
            ask = getattr(dns.asyncquery, way)
            query = dns.message.make_query("silent.", "A")
            with giambio.move_on_after(0.01) as scope:
                await ask(query, HOST, None, port)
            assert scope.cancelled_caught
            await ask(query, HOST, 0.01, port)

    with pytest.raises(dns.exception.Timeout):
        run(main)


def test_a_server_that_is_not_there(run: Run) -> None:
    query = dns.message.make_query("example.", "A")
    with pytest.raises(ConnectionRefusedError):
        run(dns.asyncquery.tcp, query, HOST, 5, unused_port())


def test_a_query_over_https(run: Run, tmp_path: Path) -> None:
    """By httpx2, which asks a web server of giambio's."""
    pytest.importorskip("httpx2")
    pytest.importorskip("h11")
    if not dns.asyncquery.have_doh:
        pytest.skip("a library for DNS over HTTPS is missing, or too old for dnspython")
    certificates = Certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificates.files("server"))
    trusting: Any = ssl.create_default_context(cafile=certificates.authority)

    async def connection(stream: Any) -> None:
        buffered = giambio.BufferedStream(stream)
        head = (await buffered.receive_until(b"\r\n\r\n", 65536)).lower()
        size = int(head.partition(b"content-length: ")[2].split()[0])
        body = answer(await buffered.receive_exactly(size))
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\n"
        await stream.send_all(head + b"content-length: %d\r\n\r\n" % len(body) + body)

    async def main() -> Any:
        port = unused_port()
        async with giambio.TaskManager() as manager:
            await manager.start(lambda task_status: serve(connection, port, context, task_status))
            query = dns.message.make_query("example.", "A")
            response = await dns.asyncquery.https(
                query,
                f"https://localhost:{port}/dns-query",
                timeout=5,
                bootstrap_address=HOST,
                verify=trusting,
            )
            manager.cancel()
        return response.answer[0][0].to_text()

    assert run(main) == "192.0.2.1"


PROGRAM = """
    import {order}
    import socket, threading
    import dns.asyncquery, dns.asyncresolver, dns.message, dns.rrset

    def respond(wire):
        response = dns.message.make_response(dns.message.from_wire(wire))
        name = response.question[0].name
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.1"))
        return response.to_wire()

    def serve_udp():
        while True:
            wire, sender = udp.recvfrom(512)
            udp.sendto(respond(wire), sender)

    def serve_tcp():
        while True:
            with tcp.accept()[0] as sock:
                wire = sock.recv(512)[2:]
                sock.sendall(len(respond(wire)).to_bytes(2, "big") + respond(wire))

    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(type=socket.SOCK_DGRAM)
    udp.bind(tcp.getsockname())
    port = tcp.getsockname()[1]
    for serve in (serve_udp, serve_tcp):
        threading.Thread(target=serve, daemon=True).start()

    async def main():
        try:
            backend = dns.asyncbackend.get_default_backend()
        except NotImplementedError as exc:
            return print(exc)
        query = dns.message.make_query("example.", "A")
        found = [
            (await ask(query, "127.0.0.1", 5, port)).answer[0][0].to_text()
            for ask in (dns.asyncquery.udp, dns.asyncquery.tcp)
        ]
        print(backend.name(), *found)

    import anyio
    for backend in {backends}:
        anyio.run(main, backend=backend)
"""


@pytest.mark.parametrize("order", ["giambio, dns.asyncbackend", "dns.asyncbackend, giambio"])
@pytest.mark.parametrize("backends", [["giambio", "asyncio"], ["asyncio", "giambio"]])
def test_only_tasks_of_giambio_see_the_adapter(order: str, backends: list[str]) -> None:
    said = [f"{backend} 192.0.2.1 192.0.2.1" for backend in backends]
    assert printed(PROGRAM.format(order=order, backends=backends)) == said


def test_without_the_adapter_it_refuses_giambio() -> None:
    code = PROGRAM.format(order="giambio", backends=["giambio"])
    said = printed(code, GIAMBIO_NO_ADAPTERS="1")
    assert said == ["unimplemented async backend giambio"]


@pytest.mark.parametrize("backend", ["giambio", "asyncio", "trio"])
def test_with_our_patch_no_adapter_is_needed(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    patched(tmp_path, "dns")
    code = PROGRAM.format(order="giambio", backends=[backend])
    (said,) = printed(code, tmp_path, GIAMBIO_NO_ADAPTERS="1")
    assert said == f"{'anyio' if backend == 'giambio' else backend} 192.0.2.1 192.0.2.1"
