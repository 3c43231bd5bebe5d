"""Names to addresses and back, and custom `Resolver`s for both."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.net import listening, outcome, turns

Run = Callable[..., Any]
STREAM = socket.SOCK_STREAM


class Book(giambio.Resolver):
    """A resolver that looks names up in a dict; what it does not know takes for ever."""

    def __init__(self, **entries: Any) -> None:
        self.entries = entries
        self.asked: list[tuple[Any, ...]] = []

    async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:  # type: ignore[override]
        self.asked.append((host, port, *args))
        if host not in self.entries:
            await giambio.sleep_forever()
        entry = self.entries[host]
        if isinstance(entry, BaseException):
            raise entry
        return [(socket.AF_INET, STREAM, 6, "", (address, port)) for address in entry]

    async def getnameinfo(self, address: Any, flags: int = 0) -> tuple[str, str]:
        self.asked.append((address, flags))
        return "somebody", "something"


# -- getaddrinfo ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "port", "options", "addresses"),
    [
        ("127.0.0.1", 80, {}, [("127.0.0.1", 80)]),
        ("::1", 80, {}, [("::1", 80, 0, 0)]),
        (None, 80, {"family": socket.AF_INET}, [("127.0.0.1", 80)]),
        (None, 80, {"flags": socket.AI_PASSIVE, "family": socket.AF_INET}, [("0.0.0.0", 80)]),
        ("127.0.0.1", "80", {}, [("127.0.0.1", 80)]),
        ("127.0.0.1", None, {}, [("127.0.0.1", 0)]),
    ],
)
def test_what_is_numeric_needs_no_thread_and_no_resolver(
    run: Run, host: Any, port: Any, options: Any, addresses: Any
) -> None:
    """Rule 13.1: only for resolving a name that is not numeric."""

    async def main() -> Any:
        giambio.set_resolver(Book())
        found = await giambio.getaddrinfo(host, port, type=STREAM, **options)
        assert found == socket.getaddrinfo(host, port, type=STREAM, **options)
        return [address for *_, address in found]

    assert run(main, threads=False) == addresses


def test_a_name_is_looked_up_as_the_system_does(run: Run) -> None:
    async def main() -> None:
        for host, port in [("localhost", 80), ("127.0.0.1", "http"), (b"localhost", 80)]:
            found = await giambio.getaddrinfo(host, port, type=STREAM)
            assert found == socket.getaddrinfo(host, port, type=STREAM)

    run(main)


def test_a_name_needs_a_thread(run: Run) -> None:
    """Rule 13.7: `EventLoop(threads=False)` makes them errors."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"resolving 'localhost' needs a .*threads=False"):
            await giambio.getaddrinfo("localhost", 80)

    run(main, threads=False)


def test_a_name_that_does_not_exist_is_a_gaierror(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(socket.gaierror) as caught:
            await giambio.getaddrinfo("does-not-exist.invalid", 80)
        assert caught.value.__notes__ == ["while looking up 'does-not-exist.invalid'"]

    run(main)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "http://127.0.0.1"])
def test_what_is_more_than_a_host_is_explained(run: Run, host: str) -> None:
    """Rule 19.1: the error shows what to write."""

    async def main() -> None:
        with pytest.raises(socket.gaierror) as caught:
            await giambio.connect_tcp(host, 80)
        (note,) = caught.value.__notes__
        assert note == (
            f"while looking up {host!r}; a host is a name or an address alone, "
            "without http:// and without a port"
        )

    run(main)


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "double..dot"])
def test_what_cannot_be_a_name_is_a_value_error(run: Run, host: str) -> None:
    """Rule 19.1: an impossible host name."""

    async def main() -> None:
        with pytest.raises(ValueError, match=f"'{host}' cannot be a host name"):
            await giambio.getaddrinfo(host, 80)

    run(main)


@pytest.mark.parametrize(
    "call",
    [
        lambda: giambio.getaddrinfo("127.0.0.1", 80),
        lambda: giambio.getnameinfo(("127.0.0.1", 80), 3),
        lambda: giambio.getaddrinfo("server", 80),
        lambda: giambio.getnameinfo(("127.0.0.1", 80)),
    ],
    ids=["numeric getaddrinfo", "numeric getnameinfo", "getaddrinfo", "getnameinfo"],
)
def test_a_look_up_is_a_checkpoint(run: Run, call: Callable[[], Any]) -> None:
    """Rules 4.1, 4.2: a pending cancellation raises and nothing was done."""
    book = Book()

    async def main() -> None:
        giambio.set_resolver(book)
        with giambio.CancelScope() as scope:
            scope.cancel()
            await call()
        assert scope.cancelled_caught

    run(main)
    assert not book.asked


# -- getnameinfo ------------------------------------------------------------------------------


def test_numbers_need_no_thread(run: Run) -> None:
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV

    async def main() -> None:
        assert await giambio.getnameinfo(("127.0.0.1", 80), flags) == ("127.0.0.1", "80")
        assert await giambio.getnameinfo(("::1", 80, 0, 0), flags) == ("::1", "80")
        with pytest.raises(RuntimeError, match=r"finding the name of .* needs a worker thread"):
            await giambio.getnameinfo(("127.0.0.1", 80), 0)

    run(main, threads=False)


def test_names_are_found_as_the_system_does(run: Run) -> None:
    async def main() -> None:
        for flags in (0, socket.NI_NUMERICHOST, socket.NI_NUMERICSERV):
            found = await giambio.getnameinfo(("127.0.0.1", 80), flags)
            assert found == socket.getnameinfo(("127.0.0.1", 80), flags)

    run(main)


@pytest.mark.parametrize("address", ["127.0.0.1:80", 5, ("x", "y"), ("127.0.0.1",)])
def test_a_bad_address_has_no_name(run: Run, address: Any) -> None:
    async def main() -> None:
        error = await outcome(giambio.getnameinfo, address, 0)
        assert isinstance(error, (TypeError, socket.gaierror)), error

    run(main)


# -- a resolver of one's own ------------------------------------------------------------------


def test_a_resolver_of_ones_own_is_asked_for_names(run: Run) -> None:
    book = Book(server=["127.0.0.9"])

    async def main() -> None:
        giambio.set_resolver(book)
        found = await giambio.getaddrinfo("server", 80, type=STREAM, flags=socket.AI_CANONNAME)
        assert found[0][4] == ("127.0.0.9", 80)
        assert await giambio.getnameinfo(("127.0.0.1", 80)) == ("somebody", "something")

    run(main, threads=False)
    assert book.asked == [
        ("server", 80, 0, STREAM, 0, socket.AI_CANONNAME),
        (("127.0.0.1", 80), 0),
    ]


def test_everything_that_takes_a_name_asks_it(run: Run) -> None:
    book = Book(server=["127.0.0.1"])

    async def main() -> None:
        giambio.set_resolver(book)
        listeners = await giambio.open_tcp_listeners(0, host="server")
        _, port = listeners[0].address
        with giambio.wrap_socket(socket.socket()) as sock:
            await sock.connect(("server", port))
        with await giambio.connect_tcp("server", port):
            pass
        with await giambio.connect_udp("server", port):
            pass
        with await giambio.open_udp(host="server") as udp:
            await udp.connect(("server", port))
        for listener in listeners:
            listener.close()
        async with giambio.TaskManager() as manager:
            server = giambio.serve_tcp(giambio.sleep, 0, host="server")
            task = await manager.spawn(server)
            await turns()
            task.cancel()

    run(main, threads=False)
    assert [host for host, *_ in book.asked] == ["server"] * 7


def test_each_loop_has_its_own_and_keeps_it(driver: str) -> None:
    first, second = giambio.EventLoop(driver=driver), giambio.EventLoop(driver=driver)
    book = Book()

    async def set_it(resolver: giambio.Resolver | None) -> giambio.Resolver | None:
        return giambio.set_resolver(resolver)

    assert first.start(set_it, book) is None
    assert second.start(set_it, None) is None
    assert first.start(set_it, book) is book
    assert first.start(set_it, None) is book
    assert first.start(set_it, None) is None
    first.close()
    second.close()


@pytest.mark.parametrize("wrong", [Book, "8.8.8.8", socket.getaddrinfo, 5])
def test_only_a_resolver_can_be_set(run: Run, wrong: Any) -> None:
    """Rule 19.1: the error names the mistake and the fix."""

    async def main() -> None:
        with pytest.raises(TypeError, match=r"an instance of a subclass of giambio.Resolver, not"):
            giambio.set_resolver(wrong)

    run(main)


def test_a_resolver_can_be_set_only_in_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
        giambio.set_resolver(None)


# -- faults -----------------------------------------------------------------------------------


class Odd(Exception):
    """Something that a resolver might raise."""


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_AGAIN, "later"), Odd("no")])
@pytest.mark.parametrize("how", ["socket", "connect_tcp", "connect_udp", "open_udp", "listeners"])
def test_what_a_resolver_raises_comes_out_as_it_is(run: Run, how: str, error: Exception) -> None:
    """The resolver's own error, as it is."""

    async def main() -> None:
        giambio.set_resolver(Book(server=error))
        with giambio.wrap_socket(socket.socket()) as sock:
            calls: dict[str, Callable[[], Any]] = {
                "socket": lambda: sock.connect("server"),
                "connect_tcp": lambda: giambio.connect_tcp("server", 80),
                "connect_udp": lambda: giambio.connect_udp("server", 80),
                "open_udp": lambda: giambio.open_udp(host="server"),
                "listeners": lambda: giambio.open_tcp_listeners(80, host="server"),
            }
            assert await outcome(calls[how]) is error

    run(main)


@pytest.mark.parametrize("how", ["connect_tcp", "connect_udp", "open_udp", "listeners"])
def test_no_address_at_all_is_a_gaierror(run: Run, how: str) -> None:
    """No address at all counts as an unknown name."""

    async def main() -> None:
        giambio.set_resolver(Book(server=[]))
        calls: dict[str, Callable[[], Any]] = {
            "connect_tcp": lambda: giambio.connect_tcp("server", 80),
            "connect_udp": lambda: giambio.connect_udp("server", 80),
            "open_udp": lambda: giambio.open_udp(host="server"),
            "listeners": lambda: giambio.open_tcp_listeners(80, host="server"),
        }
        with pytest.raises(socket.gaierror, match="no address found for 'server'"):
            await calls[how]()

    run(main)


def test_a_look_up_that_takes_for_ever_can_be_cancelled(run: Run) -> None:
    """Rule 5.5: a look-up that takes for ever."""

    async def main() -> None:
        giambio.set_resolver(Book())
        with giambio.wrap_socket(socket.socket()) as sock:
            for call in (
                lambda: giambio.getaddrinfo("server", 80),
                lambda: giambio.connect_tcp("server", 80),
                lambda: giambio.connect_udp("server", 80),
                lambda: giambio.open_udp(host="server"),
                lambda: giambio.open_tcp_listeners(80, host="server"),
                lambda: giambio.serve_tcp(giambio.sleep, 80, host="server"),
                lambda: sock.connect("server"),
            ):
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(call)
                    await turns()
                    assert not task.done()
                    task.cancel()
                assert task.cancelled()

    run(main)


def test_a_thread_that_looks_up_a_name_is_left_to_itself(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 3.5: worker threads cannot be withdrawn at once."""
    let_go = threading.Event()
    entered = threading.Event()
    looked_up = threading.Event()

    def slow(*args: Any) -> Any:
        entered.set()
        assert let_go.wait(30)
        looked_up.set()
        return [(socket.AF_INET, STREAM, 6, "", ("127.0.0.1", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.connect_tcp, "server.example", 80)
            while not entered.is_set():
                await giambio.sleep(0.001)
            task.cancel()
        assert task.cancelled()
        let_go.set()
        await turns(10)

    run(main)
    assert looked_up.wait(30)


def test_a_name_resolved_while_the_loop_is_flooded(run: Run) -> None:
    """The resolver's answer comes through however many tasks are ready."""

    async def spin(done: giambio.Event) -> None:
        while not done.is_set():
            await giambio.checkpoint()

    async def main() -> None:
        done = giambio.Event()
        with listening() as listener:
            async with giambio.TaskManager() as manager:
                for _ in range(50):
                    manager.start_soon(spin, done)
                address = ("localhost", listener.getsockname()[1])
                with await giambio.connect_tcp(*address):
                    done.set()

    run(main)
