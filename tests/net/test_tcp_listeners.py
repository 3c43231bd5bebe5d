"""`open_tcp_listeners`, and an `accept` that survives errors of the system and of clients."""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.kernel import ManualClock, finish
from support.net import (
    LOOPBACK,
    FaultySocket,
    descriptors_left,
    listening,
    open_descriptors,
    outcome,
    reset,
    turns,
)

Run = Callable[..., Any]


class Host(giambio.Resolver):
    """A host with several addresses."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts

    async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:  # type: ignore[override]
        found = []
        for name in self.hosts:
            found += socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        return found


async def open_listeners(*args: Any, **options: Any) -> list[giambio.SocketListener]:
    return await giambio.open_tcp_listeners(*args, **options)


def close_all(listeners: list[giambio.SocketListener]) -> None:
    for listener in listeners:
        listener.close()


# -- where it listens -------------------------------------------------------------------------


def test_without_a_host_it_listens_on_the_loopback_alone(run: Run) -> None:
    """Rule 16.4: 127.0.0.1 and ::1, the same port also when it is 0; no name is looked up."""

    async def main() -> None:
        giambio.set_resolver(Host("192.0.2.99"))
        for options in ({}, {"host": "localhost"}):
            listeners = await open_listeners(0, **options)
            port = listeners[0].address[1]
            assert [listener.address[:2] for listener in listeners] == [
                ("127.0.0.1", port),
                ("::1", port),
            ]
            close_all(listeners)

    run(main, threads=False)


@pytest.mark.parametrize("call", ["socket", "bind"])
def test_a_machine_without_ipv6_has_a_loopback_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Rule 16.4: ::1 where it exists."""
    make, listen_at = socket.socket.__init__, socket.socket.bind

    def no_family(sock: socket.socket, family: int = -1, *args: Any, **options: Any) -> None:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        make(sock, family, *args, **options)

    def no_address(sock: socket.socket, address: Any) -> None:
        if sock.family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        listen_at(sock, address)

    if call == "socket":
        monkeypatch.setattr(socket.socket, "__init__", no_family)
    else:
        monkeypatch.setattr(socket.socket, "bind", no_address, raising=False)

    async def main() -> None:
        (listener,) = await open_listeners(0)
        assert listener.address[0] == "127.0.0.1"
        listener.close()

    run(main)


def test_where_it_listens_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 16.18: and how to open it."""
    caplog.set_level(logging.INFO, "giambio")

    async def line(**options: Any) -> str:
        caplog.clear()
        listeners = await open_listeners(0, **options)
        port = str(listeners[0].address[1])
        close_all(listeners)
        (record,) = caplog.records
        assert record.name == "giambio"
        assert record.levelno == logging.INFO
        return record.getMessage().replace(port, "PORT")

    async def main() -> None:
        loopback = "listening on 127.0.0.1:PORT and [::1]:PORT"
        assert await line() == f"{loopback}; host=None opens it to other machines"
        assert await line(host="127.0.0.1") == "listening on 127.0.0.1:PORT"
        assert "0.0.0.0:PORT" in await line(host=None)

    run(main)


def test_a_cancelled_call_opens_nothing(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 4.2: it has done nothing then."""
    caplog.set_level(logging.INFO, "giambio")

    async def main() -> None:
        before = open_descriptors()
        with giambio.CancelScope() as scope:
            scope.cancel()
            await open_listeners(0)
        assert scope.cancelled_caught
        assert open_descriptors() == before

    run(main)
    assert not caplog.records


@pytest.mark.parametrize("host", [None, ""])
def test_without_any_host_it_listens_on_all_addresses_with_one_port(
    run: Run, host: str | None
) -> None:
    """Rule 16.4: dual-stack, the same port also when it is 0."""

    async def main() -> None:
        listeners = await open_listeners(0, host=host)
        assert sorted(listener.address[0] for listener in listeners) == ["0.0.0.0", "::"]
        (port,) = {listener.address[1] for listener in listeners}
        assert port > 0
        for listener in listeners:
            family = socket.AF_INET6 if ":" in listener.address[0] else socket.AF_INET
            with socket.create_connection((LOOPBACK[family], port)) as client:
                connection, address = await listener.accept()
                with connection:
                    assert isinstance(connection, giambio.AsyncSocket)
                    assert address == connection.getpeername() == client.getsockname()
        close_all(listeners)

    run(main, threads=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_with_a_host_it_listens_there(run: Run, host: str) -> None:
    async def main() -> None:
        (listener,) = await open_listeners(0, host=host)
        assert listener.address[0] == host
        assert f"<giambio.SocketListener at ('{host}', " in repr(listener)
        listener.close()
        assert repr(listener) == "<giambio.SocketListener closed>"

    run(main, threads=False)


def test_a_name_is_every_address_it_has(run: Run) -> None:
    async def main() -> None:
        giambio.set_resolver(Host("127.0.0.1", "::1", "127.0.0.1", "127.0.0.2"))
        listeners = await open_listeners(0, host="server")
        addresses = [listener.address[:2] for listener in listeners]
        port = addresses[0][1]
        assert addresses == [("127.0.0.1", port), ("::1", port), ("127.0.0.2", port)]
        close_all(listeners)

    run(main)


def test_addresses_that_this_machine_has_not_are_left_out(run: Run) -> None:
    """A family that is switched off is no reason not to serve the other one."""

    async def main() -> None:
        giambio.set_resolver(Host("192.0.2.99", "127.0.0.1"))
        (listener,) = await open_listeners(0, host="server")
        assert listener.address[0] == "127.0.0.1"
        listener.close()

        giambio.set_resolver(Host("192.0.2.98", "192.0.2.99"))
        with pytest.raises(OSError, match="Cannot assign requested address: listening, at 2 addr"):
            await open_listeners(0, host="server")
        with pytest.raises(OSError, match=r"Cannot assign requested .*: \('192.0.2.99', 80\)"):
            await open_listeners(80, host="192.0.2.99")

    run(main)


@pytest.mark.parametrize("options", [{"host": "server"}, {}])
def test_another_port_is_tried_if_the_first_is_taken_for_the_other_family(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: Any
) -> None:
    """Rule 16.4: the same port also when it is 0."""
    taken: list[socket.socket] = []
    listen_at = socket.socket.bind

    def bind(sock: socket.socket, address: Any) -> None:
        # Somebody else is faster, three times.
        if sock.family == socket.AF_INET6 and address[1] and len(taken) < 3:
            other = socket.socket(socket.AF_INET6)
            taken.append(other)
            listen_at(other, address)
        listen_at(sock, address)

    monkeypatch.setattr(socket.socket, "bind", bind, raising=False)

    async def main() -> None:
        giambio.set_resolver(Host("127.0.0.1", "::1"))
        listeners = await open_listeners(0, **options)
        assert len(taken) == 3
        assert len({listener.address[1] for listener in listeners}) == 1
        assert len(listeners) == 2
        close_all(listeners)

    run(main)
    for sock in taken:
        sock.close()


def test_a_port_that_is_taken_is_an_error_that_names_it(run: Run) -> None:
    async def main() -> None:
        with listening() as other:
            host, port = other.getsockname()
            before = open_descriptors()
            message = rf"Address already in use: \('{host}', {port}\)"
            with pytest.raises(OSError, match=message) as caught:
                await open_listeners(port, host=host)
            assert caught.value.errno == errno.EADDRINUSE
            giambio.set_resolver(Host("::1", host))
            with pytest.raises(OSError, match=message):
                await open_listeners(port, host="server")
            assert open_descriptors() == before

    run(main)


# -- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_connections_send_without_delay(run: Run, family: socket.AddressFamily) -> None:
    """Rule 16.3: `TCP_NODELAY` by default."""

    async def main() -> None:
        (listener,) = await open_listeners(0, host=LOOPBACK[family])
        with listener, socket.create_connection(listener.address[:2]):
            connection, _ = await listener.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(main)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the option means something else")
def test_a_server_can_be_started_again_at_once(run: Run) -> None:
    """Rule 16.4: `SO_REUSEADDR`."""

    async def main() -> None:
        (listener,) = await open_listeners(0, host="127.0.0.1")
        address = listener.address
        with socket.create_connection(address):
            connection, _ = await listener.accept()
            connection.close()  # this side first, so it is the one to remember the connection
            listener.close()
            with pytest.raises(OSError, match="in use"), socket.socket() as plain:
                plain.bind(address)
            (again,) = await open_listeners(address[1], host="127.0.0.1")
            again.close()

    run(main)


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="not here")
def test_a_port_can_be_shared(run: Run) -> None:
    """Rule 16.4: `SO_REUSEPORT`."""

    async def main() -> None:
        (first,) = await open_listeners(0, host="127.0.0.1", reuse_port=True)
        port = first.address[1]
        (second,) = await open_listeners(port, host="127.0.0.1", reuse_port=True)
        with pytest.raises(OSError, match="in use"):
            await open_listeners(port, host="127.0.0.1")
        close_all([first, second])

    run(main)


def test_sharing_a_port_where_that_is_not_possible_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT", raising=False)

    async def main() -> None:
        for call in (open_listeners, giambio.open_udp):
            with pytest.raises(ValueError, match="this system has no SO_REUSEPORT"):
                await call(0, reuse_port=True)

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
@pytest.mark.parametrize("backlog", [None, 3])
def test_as_many_as_the_system_allows_may_wait(run: Run, backlog: int | None) -> None:
    """Rule 16.4: the backlog."""
    with open("/proc/sys/net/core/somaxconn") as file:
        highest = int(file.read())

    async def main() -> None:
        options = {} if backlog is None else {"backlog": backlog}
        (listener,) = await open_listeners(0, host="127.0.0.1", **options)
        with listener:
            # Linux tells the backlog of a listening socket as the number `tcpi_sacked`.
            info = listener._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            (found,) = struct.unpack_from("I", info, 28)
            assert found == (min(65535, highest) if backlog is None else backlog)

    run(main)


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        (("80",), {}, TypeError, "the port must be a whole number"),
        ((-1,), {}, ValueError, "a number from 0 to 65535"),
        ((80,), {"host": 5}, TypeError, "the host must be a string"),
        ((0,), {"backlog": "1"}, TypeError, "a whole number of connections for backlog, not '1'"),
        (
            (0,),
            {"backlog": -1},
            ValueError,
            "a number of connections from 0 up for backlog, not -1",
        ),
    ],
)
def test_bad_input_says_what_is_wrong(
    run: Run, args: Any, options: Any, error: type[Exception], message: str
) -> None:
    """Rule 19.1: the error names the mistake."""

    async def main() -> None:
        with pytest.raises(error, match=message):
            await open_listeners(*args, **options)

    run(main)


def test_a_listener_is_made_of_an_async_socket(run: Run) -> None:
    async def main() -> None:
        plain = socket.socket()
        with plain, pytest.raises(TypeError, match=r"needs an AsyncSocket, not <socket\.socket"):
            giambio.SocketListener(plain)  # type: ignore[arg-type]

    run(main)


def test_a_socket_that_somebody_else_opened_can_be_used(run: Run) -> None:
    async def main() -> None:
        plain = socket.create_server(("127.0.0.1", 0))
        async with giambio.SocketListener(giambio.wrap_socket(plain)) as listener:
            assert isinstance(listener, giambio.Listener)
            with await giambio.connect_tcp(*listener.address):
                connection, _ = await listener.accept()
                connection.close()
        assert plain.fileno() == -1

    run(main)


# -- accepting --------------------------------------------------------------------------------


def test_cancelled_no_connection_is_taken(run: Run) -> None:
    """Rule 5.5: a cancelled accept did not happen."""

    async def main() -> None:
        (listener,) = await open_listeners(0, host="127.0.0.1")
        with listener:
            for moment in range(8):
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(listener.accept)
                    await turns(moment)
                    client = socket.create_connection(listener.address)
                    task.cancel()
                with client:
                    if task.cancelled():
                        connection, address = await listener.accept()
                    else:
                        connection, address = task.result()
                    with connection:
                        assert address == client.getsockname()

    run(main)


def test_closing_the_listener_wakes_who_waits(run: Run) -> None:
    async def main() -> None:
        (listener,) = await open_listeners(0, host="127.0.0.1")
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(outcome, listener.accept)
            await turns()
            await listener.close()
            await listener.close()
        assert isinstance(task.result(), giambio.ClosedResourceError)
        assert isinstance(await outcome(listener.accept), giambio.ClosedResourceError)
        with pytest.raises(giambio.ClosedResourceError):
            listener.address  # noqa: B018

    run(main)


def test_two_cannot_accept_at_once(run: Run) -> None:
    async def main() -> None:
        (listener,) = await open_listeners(0, host="127.0.0.1")
        with listener:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(listener.accept)
                await turns()
                with pytest.raises(giambio.BusyResourceError):
                    await listener.accept()
                task.cancel()

    run(main)


def test_a_socket_that_does_not_listen_is_an_error_and_no_endless_loop(run: Run) -> None:
    async def main() -> None:
        listener = giambio.SocketListener(giambio.wrap_socket(socket.socket()))
        with listener, pytest.raises(OSError, match="Invalid argument"):
            await listener.accept()

    run(main)


def test_a_client_that_resets_before_it_is_accepted_is_no_error(run: Run) -> None:
    """Rule 16.5: `ECONNABORTED`, for example."""

    async def main() -> None:
        (listener,) = await open_listeners(0, host="127.0.0.1")
        with listener:
            reset(socket.create_connection(listener.address))
            with socket.create_connection(listener.address) as client:
                # Systems differ in whether they still hand out the first one.
                for _ in range(2):
                    connection, address = await listener.accept()
                    connection.close()
                    if address == client.getsockname():
                        return
        raise AssertionError("the second client was not accepted")

    run(main)


def test_out_of_descriptors_it_waits_without_spinning_and_goes_on(
    driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Rules 16.5, 15.18: without spinning or dying."""
    caplog.set_level(logging.DEBUG, "giambio")
    clock = ManualClock()
    loop = giambio.EventLoop(driver=driver, clock=clock)

    async def main() -> None:
        counting = FaultySocket()
        listener = giambio.SocketListener(giambio.wrap_socket(counting))
        with listener, socket.create_connection(listener.address) as client:
            async with giambio.TaskManager() as manager:
                with descriptors_left(0):
                    task = await manager.spawn(listener.accept)
                    await giambio.sleep(100)
                assert not task.done()
                assert 900 < counting.calls < 1100  # ten times a second, by the clock
            connection, address = task.result()
            with connection:
                assert address == client.getsockname()

    finish(loop, loop.begin(main))
    loop.close()
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2, "it complains once a minute"
    assert "cannot accept connections at ('127.0.0.1', " in messages[0]
    assert "Too many open files" in messages[0]
    assert {record.name for record in caplog.records} == {"giambio.serve"}


@pytest.mark.parametrize("name", ["ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED", "EPROTO", "EPERM"])
def test_it_survives(driver: str, name: str) -> None:
    """Rule 16.5: `accept` that survives `EMFILE`, `ENFILE` and `ECONNABORTED`."""
    number = getattr(errno, name)
    loop = giambio.EventLoop(driver=driver, clock=ManualClock())

    async def main() -> None:
        faulty = FaultySocket(*[OSError(number, os.strerror(number)) for _ in range(3)])
        listener = giambio.SocketListener(giambio.wrap_socket(faulty))
        with listener, socket.create_connection(listener.address):
            connection, _ = await listener.accept()
            connection.close()
        assert faulty.calls > 3

    finish(loop, loop.begin(main))
    loop.close()


def test_a_failure_that_is_not_the_systems_leaves_the_socket_free(run: Run) -> None:
    """Such as one for want of memory, of an audit hook or of a signal handler."""

    async def main() -> None:
        faulty = FaultySocket(ValueError("no"))
        with giambio.wrap_socket(faulty) as sock, socket.create_connection(sock.getsockname()):
            with pytest.raises(ValueError, match="no"):
                await sock.accept()
            connection, _ = await sock.accept()
            connection.close()

    run(main)


def test_cancelled_and_closed_while_out_of_descriptors(driver: str) -> None:
    loop = giambio.EventLoop(driver=driver, clock=ManualClock())

    async def main() -> None:
        faulty = FaultySocket(*[OSError(errno.ENFILE, "Too many")] * 1000)
        listener = giambio.SocketListener(giambio.wrap_socket(faulty))
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(listener.accept)
            await giambio.sleep(1)
            task.cancel()
        assert task.cancelled()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(outcome, listener.accept)
            await giambio.sleep(1)
            listener.close()
        assert isinstance(task.result(), giambio.ClosedResourceError)

    finish(loop, loop.begin(main))
    loop.close()
