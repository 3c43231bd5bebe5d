"""Addresses: the forms that users may write, and the errors of malformed ones."""

from __future__ import annotations

import os
import pathlib
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import giambio
from giambio.net.address import HTTP_PORT, is_numeric, parse

V4, V6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
FORMS = r'write "host", "host:port", "\[v6\]:port" or \(host, port\)'

ports = st.integers(0, 65535)
names = st.text(st.characters(codec="ascii", categories=("Ll", "Nd")), min_size=1).map(
    lambda text: text + ".example"
)


@pytest.mark.parametrize(
    ("family", "address", "parsed"),
    [
        (V4, ("127.0.0.1", 8080), ("127.0.0.1", 8080)),
        (V4, ["127.0.0.1", 8080], ("127.0.0.1", 8080)),
        (V4, ("", 0), ("", 0)),
        (V4, "127.0.0.1:8080", ("127.0.0.1", 8080)),
        (V4, "example.com:0", ("example.com", 0)),
        (V4, "example.com:65535", ("example.com", 65535)),
        (V4, "example.com:080", ("example.com", 80)),
        (V6, "[::1]:8080", ("::1", 8080)),
        (V6, "[fe80::1%lo]:8080", ("fe80::1%lo", 8080)),
        (V6, ("::1", 8080), ("::1", 8080)),
        (V6, ("::1", 8080, 0), ("::1", 8080, 0)),
        (V6, ("::1", 8080, 7, 1), ("::1", 8080, 7, 1)),
        (UNIX, "socket", "socket"),
        (UNIX, b"\0abstract", b"\0abstract"),
        (UNIX, "with:colon", "with:colon"),
    ],
)
def test_every_form_of_a_whole_address(family: int, address: Any, parsed: Any) -> None:
    assert parse(family, address) == parsed
    assert parse(family, address, HTTP_PORT) == parsed


@pytest.mark.parametrize(
    ("family", "address", "host"),
    [
        (V4, "example.com", "example.com"),
        (V4, "127.0.0.1", "127.0.0.1"),
        (V6, "[::1]", "::1"),
        (V6, "::1", "::1"),
        (V6, "::", "::"),
        (V6, "2001:db8::1:8080", "2001:db8::1:8080"),
        (V6, "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
    ],
)
def test_an_address_without_a_port_takes_the_default_or_is_refused(
    family: int, address: str, host: str
) -> None:
    """Rule 15.2: two or more colons without brackets are a bare IPv6 address."""
    assert parse(family, address, HTTP_PORT) == (host, 80)
    with pytest.raises(ValueError, match=f"bad address .*: it has no port; {FORMS}"):
        parse(family, address)


def test_a_unix_path_may_be_a_path_object() -> None:
    assert parse(UNIX, pathlib.Path("some") / "socket") == os.path.join("some", "socket")


def test_other_families_take_what_the_system_takes() -> None:
    marker = object()
    assert parse(12345, marker) is marker


@pytest.mark.parametrize(
    ("family", "address", "message"),
    [
        (V4, "", "it is empty"),
        (V4, ":80", "it has no host"),
        (V4, "host:", "the port must be a number from 0 to 65535"),
        (V4, "host:http", "the port must be a number from 0 to 65535"),
        (V4, "host:65536", "the port must be a number from 0 to 65535"),
        (V4, "host:-1", "the port must be a number from 0 to 65535"),
        (V4, "host:+1", "the port must be a number from 0 to 65535"),
        (V4, "host: 80", "the port must be a number from 0 to 65535"),
        (V4, "host:8_0", "the port must be a number from 0 to 65535"),
        (V4, "host:\u0663", "the port must be a number from 0 to 65535"),
        (V4, "host:" + "9" * 5000, "the port must be a number from 0 to 65535"),
        (V6, "[::1", "the brackets do not match"),
        (V6, "[::1]8080", "the brackets do not match"),
        (V6, "[::1]:", "the port must be a number from 0 to 65535"),
        (V6, "[]:80", "it has no host"),
        (V6, "[]", "it has no host"),
        (V4, ("127.0.0.1",), r"it has 1 items, not \(host, port\)"),
        (V4, (), r"it has 0 items, not \(host, port\)"),
        (V4, ("::1", 80, 0, 0), r"it has 4 items, not \(host, port\)"),
        (V6, ("::1", 80, 0, 0, 0), r"it has 5 items, not \(host, port\)"),
        (V4, ("127.0.0.1", 65536), "the port must be a number from 0 to 65535"),
        (V4, ("127.0.0.1", -1), "the port must be a number from 0 to 65535"),
        (V4, ("host\0name", 80), "the host has a null character"),
        (V4, "host\0name:80", "the host has a null character"),
    ],
)
def test_a_malformed_address_is_a_value_error_that_shows_the_forms(
    family: int, address: Any, message: str
) -> None:
    """Rules 15.2, 19.1: a malformed address."""
    with pytest.raises(ValueError, match=f"^bad address .*: {message}; {FORMS}"):
        parse(family, address, HTTP_PORT)


@pytest.mark.parametrize(
    ("family", "address", "message"),
    [
        (V4, None, ""),
        (V4, 80, ""),
        (V4, b"127.0.0.1:80", ""),
        (V4, {"host": "x"}, ""),
        (V4, (b"127.0.0.1", 80), ": the host must be a string"),
        (V4, (None, 80), ": the host must be a string"),
        (V4, ("127.0.0.1", "80"), ": the port must be a whole number"),
        (V4, ("127.0.0.1", 80.0), ": the port must be a whole number"),
        (V4, ("127.0.0.1", True), ": the port must be a whole number"),
        (V4, ("127.0.0.1", None), ": the port must be a whole number"),
        (V6, ("::1", 80, "0", 0), ": flow info and scope id must be whole numbers"),
        (V6, ("::1", 80, 0, "lo"), ": flow info and scope id must be whole numbers"),
    ],
)
def test_an_address_of_the_wrong_type_is_a_type_error_that_shows_the_forms(
    family: int, address: Any, message: str
) -> None:
    """Rules 15.2, 19.1: an address of the wrong type."""
    with pytest.raises(TypeError, match=f"^bad address .*{message}; {FORMS}"):
        parse(family, address, HTTP_PORT)


@pytest.mark.parametrize("address", [None, 5, ("127.0.0.1", 80)])
def test_a_unix_socket_takes_nothing_but_a_path(address: Any) -> None:
    """Rule 15.2: a Unix socket takes a path."""
    message = "^bad address .* for a Unix socket; write the path of the socket"
    with pytest.raises(TypeError, match=message):
        parse(UNIX, address)


@pytest.mark.parametrize("address", ["", b""])
def test_an_empty_unix_path_is_refused(address: Any) -> None:
    """Rule 15.2: an empty path is none."""
    with pytest.raises(ValueError, match=r"^bad address .* for a Unix socket: it is empty"):
        parse(UNIX, address)


@given(host=names, port=ports)
def test_a_name_and_a_port_come_back_from_every_spelling(host: str, port: int) -> None:
    assert parse(V4, f"{host}:{port}") == (host, port)
    assert parse(V4, (host, port)) == (host, port)
    assert parse(V4, host, port) == (host, port)


@given(address=st.ip_addresses(v=4), port=ports)
def test_an_ipv4_address_comes_back_from_every_spelling(address: Any, port: int) -> None:
    host = str(address)
    assert parse(V4, f"{host}:{port}") == parse(V4, (host, port)) == (host, port)
    assert is_numeric(V4, host)
    assert not is_numeric(V6, host)


@given(address=st.ip_addresses(v=6), port=ports)
def test_an_ipv6_address_comes_back_from_every_spelling(address: Any, port: int) -> None:
    """Rule 15.2: two or more colons without brackets are a bare IPv6 address."""
    for host in (str(address), address.exploded):
        assert parse(V6, f"[{host}]:{port}") == parse(V6, (host, port)) == (host, port)
        assert parse(V6, host, port) == (host, port)
        assert is_numeric(V6, host)
        assert not is_numeric(V4, host)


@given(text=st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    for family in (V4, V6):
        try:
            host, port = parse(family, text, HTTP_PORT)
        except ValueError as exc:
            assert str(exc).startswith("bad address")
        else:
            assert host
            assert 0 <= port <= 65535
            assert is_numeric(family, host) in (True, False)


@pytest.mark.parametrize(
    "host", ["", "localhost", "1.2.3", "::g", "127.0.0.1 ", "ünïcödé", "\ud800"]
)
def test_what_is_not_an_address_has_to_be_looked_up(host: str) -> None:
    assert not is_numeric(V4, host)
    assert not is_numeric(V6, host)


@pytest.mark.parametrize("family", [V4, V6])
def test_only_connect_defaults_to_port_80(loop: giambio.EventLoop, family: int) -> None:
    """Rule 15.3: only `connect` on an IPv4 or IPv6 stream socket defaults to port 80."""
    host = "127.0.0.1" if family == V4 else "[::1]"
    with (
        loop.wrap_socket(socket.socket(family)) as sock,
        pytest.raises(ValueError, match="it has no port"),
    ):
        sock.bind(host)


def test_bind_takes_no_names(loop: giambio.EventLoop) -> None:
    message = r"bad address \('example.com', 80\): bind\(\) needs a numeric address"
    with loop.wrap_socket(socket.socket()) as sock, pytest.raises(ValueError, match=message):
        sock.bind("example.com:80")


@pytest.mark.parametrize(
    ("family", "address", "bound"),
    [
        (V4, ("", 0), "0.0.0.0"),
        (V4, "localhost:0", "127.0.0.1"),
        (V4, ("127.0.0.1", 0), "127.0.0.1"),
        (V6, ("", 0), "::"),
        (V6, "localhost:0", "::1"),
        (V6, "[::1]:0", "::1"),
        (V6, ("::1", 0, 0, 0), "::1"),
    ],
)
def test_bind_takes_numeric_addresses_every_interface_and_localhost(
    loop: giambio.EventLoop, family: int, address: Any, bound: str
) -> None:
    with loop.wrap_socket(socket.socket(family)) as sock:
        sock.bind(address)
        assert sock.getsockname()[0] == bound
        assert sock.getsockname()[1] > 0
