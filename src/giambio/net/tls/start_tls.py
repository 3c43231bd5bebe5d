"""How a stream becomes a TLS stream: contexts, names, and the handshake."""

from __future__ import annotations

import ssl
from functools import cache

from giambio.kernel.opening import Opening
from giambio.net.tls.close_notify import part
from giambio.net.tls.stream import TLSStream
from giambio.streams.abc import ByteStream
from giambio.streams.budget import spend_budget

__all__ = ["start_tls"]

#: The usual meanings of OpenSSL's reasons.
ADVICE = {
    "CERTIFICATE_VERIFY_FAILED": (
        "to trust another authority, pass ssl.create_default_context(cafile=...) as the context"
    ),
    "HTTP_REQUEST": "the client speaks plain HTTP; is it to use https:// here?",
    "NO_SHARED_CIPHER": (
        "does the server's context have a certificate? context.load_cert_chain(certfile, keyfile)"
    ),
    "WRONG_VERSION_NUMBER": (
        "the other side does not seem to speak TLS here; is it the right port, and its turn?"
    ),
}


def start_tls(
    stream: ByteStream,
    context: ssl.SSLContext | None = None,
    *,
    server_hostname: str | None = None,
    server_side: bool = False,
    standard_compatible: bool = True,
) -> Opening[TLSStream]:
    """Encrypt a stream from here on: do the TLS handshake, and return a `TLSStream`.

    The stream belongs to the `TLSStream` then: closing that closes it. For an
    upgrade in the middle (STARTTLS) pass the `BufferedStream` that you have read
    from; bytes that it holds already are taken as the beginning of TLS.

    Parameters:
        stream: any byte stream that is connected: a socket, another TLS stream.
        context: an `ssl.SSLContext`. By default a client's that trusts the
            system's authorities and verifies certificates and host names. A
            server always needs one, with its certificate. ALPN, versions and
            client certificates are set in it.
        server_hostname: for a client: the name that the server's certificate
            must be for.
        server_side: True for the server's side of the connection.
        standard_compatible: by default, as TLS demands, a stream that ends
            without a goodbye is an error, for it may have been cut off by an
            attacker. False for protocols that know by themselves where a message
            ends, and whose servers just hang up, such as HTTP: `receive` returns
            ``b""`` then.

    Returns:
        Awaited, or entered with ``async with``: the encrypted stream.

    Raises:
        TypeError: `stream` is no `ByteStream`, or `context` no `ssl.SSLContext`.
        ValueError: `server_hostname` or `context` is missing, or for the other side.
        ssl.SSLCertVerificationError: the certificate is not to be trusted, or
            not for this name.
        ssl.SSLError: the two sides do not agree, or the other one speaks no TLS.
        BusyResourceError: another task uses the stream.
        BrokenResourceError: the connection broke, or the other side hung up.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled or failed once the handshake has begun, the stream is
    closed, because the handshake may have been half-done.

    Example:
        >>> import giambio, socket
        >>> async def connect(host):
        ...     sock = giambio.wrap_socket(socket.socket())
        ...     await sock.connect((host, 443))
        ...     return await giambio.start_tls(sock, server_hostname=host)
    """
    if not isinstance(stream, ByteStream):
        raise TypeError(f"start_tls() needs a ByteStream, such as a socket, not {stream!r}")
    context = suitable(context, server_side, server_hostname)
    tls = TLSStream(stream, context, server_side, server_hostname, standard_compatible)
    return Opening("start_tls()", shake_hands(tls, stream, server_side))


async def shake_hands(tls: TLSStream, stream: ByteStream, server_side: bool) -> TLSStream:
    """Do the work of `start_tls`, whose arguments were checked."""
    await spend_budget()
    try:
        await tls._handshake()
    except ssl.SSLError as exc:
        part(stream, b"")
        stream.close_now()
        if exc.reason in ADVICE:
            exc.add_note(ADVICE[exc.reason])
        # For `serving`: no stranger can make a server's handler fail.
        exc.by_a_client = server_side  # type: ignore[attr-defined]
        raise
    except BaseException:
        stream.close_now()
        raise
    return tls


def suitable(
    context: ssl.SSLContext | None, server_side: bool, server_hostname: str | None
) -> ssl.SSLContext:
    """Return the context, or the default one.

    Raises:
        TypeError, ValueError: something is missing or wrong.
    """
    if context is None:
        if server_side:
            raise ValueError(
                "start_tls(server_side=True) needs a context with the server's certificate: "
                "context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), then "
                "context.load_cert_chain(certfile, keyfile)"
            )
        context = default_client_context()
    elif not isinstance(context, ssl.SSLContext):
        raise TypeError(f"start_tls() needs an ssl.SSLContext as context, not {context!r}")
    if server_side and server_hostname is not None:
        raise ValueError("start_tls(server_side=True) takes no server_hostname: that is a client's")
    # What `ssl` itself raises for these depends on the version of Python.
    if context.protocol == (ssl.PROTOCOL_TLS_CLIENT if server_side else ssl.PROTOCOL_TLS_SERVER):
        purpose = "CLIENT_AUTH" if server_side else "SERVER_AUTH"
        raise ValueError(
            f"start_tls(server_side={server_side}) got a context for the other side; make one "
            f"with ssl.create_default_context(ssl.Purpose.{purpose})"
        )
    if context.check_hostname and not server_side and not server_hostname:
        raise ValueError(
            "start_tls() needs server_hostname, the name that the server's certificate must be "
            'for: start_tls(stream, server_hostname="example.com")'
        )
    return context


@cache
def default_client_context() -> ssl.SSLContext:
    """Return a client's context that trusts the system's authorities; loading them is slow."""
    return ssl.create_default_context()
