"""Certificates made on the spot, TLS connections, and `openssl` on the other side."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import giambio
from support.net import connected
from support.programs import program

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


class Certificates:
    """A small authority, and what it has signed. Keys exist for the time of a test run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sign_itself("ca", "giambio test authority", "keyUsage=critical,keyCertSign,cRLSign")
        self._sign_itself("stranger", "localhost", "subjectAltName=DNS:localhost")
        self._sign("server", "localhost", "DNS:localhost,IP:127.0.0.1")
        self._sign("other-name", "example.org", "DNS:example.org")
        self._sign("expired", "localhost", "DNS:localhost", days=0)
        self._sign("client", "a client", "DNS:client.example")

    def _sign_itself(self, name: str, subject: str, *extensions: str) -> None:
        more = [word for extension in extensions for word in ("-addext", extension)]
        openssl(
            *("req", "-x509", "-days", "2", "-subj", f"/CN={subject}", *KEY, *more),
            *("-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem"),
        )

    def _sign(self, name: str, subject: str, names: str, days: int = 2) -> None:
        request, extensions = self.folder / f"{name}.request", self.folder / f"{name}.extensions"
        # What RFC 5280 wants, because Python 3.13 and later insist on it.
        extensions.write_text(
            f"subjectAltName={names}\nkeyUsage=critical,digitalSignature\n"
            "basicConstraints=critical,CA:FALSE\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        openssl(
            *("req", "-subj", f"/CN={subject}", *KEY),
            *("-keyout", self.folder / f"{name}.key", "-out", request),
        )
        openssl(
            *("x509", "-req", "-in", request, "-extfile", extensions, "-days", str(days)),
            *("-CA", self.folder / "ca.pem", "-CAkey", self.folder / "ca.key", "-CAcreateserial"),
            *("-out", self.folder / f"{name}.pem"),
        )

    def files(self, name: str) -> tuple[str, str]:
        """The certificate and the key of a name."""
        return str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")

    @property
    def authority(self) -> str:
        """The authority's certificate."""
        return str(self.folder / "ca.pem")

    def server(self, version: str | None = None, name: str = "server") -> ssl.SSLContext:
        """A server's context, for one version of TLS or all."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.files(name))
        return restricted(context, version)

    def client(self, version: str | None = None) -> ssl.SSLContext:
        """A client's context that trusts the authority."""
        context = ssl.create_default_context(cafile=self.authority)
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
        return restricted(context, version)


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments: Any) -> None:
    """Run an `openssl` command that is to succeed."""
    command = [program("openssl"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def restricted(context: ssl.SSLContext, version: str | None) -> ssl.SSLContext:
    """Let a context speak one version only."""
    if version is not None:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


async def encrypt(
    client: giambio.ByteStream,
    server: giambio.ByteStream,
    certificates: Certificates,
    version: str | None = None,
    **options: Any,
) -> tuple[giambio.TLSStream, giambio.TLSStream]:
    """Start TLS at both ends of a connection."""
    async with giambio.TaskManager() as manager:
        server_task = await manager.spawn(
            giambio.start_tls(server, certificates.server(version), server_side=True, **options)
        )
        client_tls = await giambio.start_tls(
            client, certificates.client(version), server_hostname="localhost", **options
        )
    return client_tls, server_task.result()


async def encrypted(
    certificates: Certificates, version: str | None = None, **options: Any
) -> tuple[giambio.TLSStream, giambio.TLSStream]:
    """A TCP connection with TLS, client's end and server's end."""
    ours, theirs = map(giambio.wrap_socket, connected())
    return await encrypt(ours, theirs, certificates, version, **options)


def blocking_tls(
    sock: socket.socket, context: ssl.SSLContext, server_side: bool, **options: Any
) -> ssl.SSLSocket:
    """TLS of Python's own on a blocking socket; a hang-up without a goodbye is an error."""
    sock.settimeout(20)
    name = None if server_side else "localhost"
    return context.wrap_socket(
        sock,
        server_side=server_side,
        server_hostname=name,
        suppress_ragged_eofs=False,
        **options,
    )


@contextmanager
def openssl_process(*arguments: Any, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A running `openssl s_client` or `s_server`, ended with the block."""
    process = subprocess.Popen(
        [program("openssl"), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        process.wait()
