"""`connect_tcp`: Happy Eyeballs, the errors of all addresses, and nothing left behind.

The addresses come from a resolver in the test and lead to real sockets of the
loopback: listeners that answer, ports that refuse, and listeners with a full
backlog, for which Linux does not answer. The clock is set by hand.
"""

from __future__ import annotations

import errno
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import giambio
from support.kernel import ManualClock
from support.net import LOOPBACK, descriptors_left, open_descriptors, outcome, turns, unused_port

Run = Callable[..., Any]
Target = tuple[int, Any]
V4, V6 = socket.AF_INET, socket.AF_INET6

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux leaves a connection without an answer"
)


class Host(giambio.Resolver):
    """A host with the addresses that a test gives it."""

    def __init__(self, *targets: Target) -> None:
        self.targets = targets

    async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:  # type: ignore[override]
        await giambio.checkpoint()
        return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in self.targets]


class Places:
    """Makes addresses that answer, that refuse, and that do neither."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._listeners: dict[Any, socket.socket] = {}
        self._silent: dict[Any, list[socket.socket]] = {}

    def good(self, family: int = V4) -> Target:
        """An address that answers."""
        listener = self._bound(family)
        listener.listen()
        listener.settimeout(20)
        self._listeners[listener.getsockname()] = listener
        return family, listener.getsockname()

    def refusing(self, family: int = V4) -> Target:
        """An address that nobody listens at."""
        return family, self._bound(family).getsockname()

    def silent(self, family: int = V4) -> Target:
        """An address that does not answer, because its backlog is full."""
        listener = self._bound(family)
        listener.listen(0)
        self._silent[listener.getsockname()] = [listener]
        for _ in range(4):
            sock = self._stack.enter_context(socket.socket(family))
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            self._silent[listener.getsockname()].append(sock)
        return family, listener.getsockname()

    def accept(self, target: Target) -> socket.socket:
        """Accept a connection that was made to a good address."""
        connection, _ = self._listeners[target[1]].accept()
        connection.settimeout(20)
        return self._stack.enter_context(connection)

    def pending(self, target: Target) -> socket.socket | None:
        """A connection that was made to a good address, if there was one."""
        listener = self._listeners[target[1]]
        listener.setblocking(False)
        try:
            return self.accept(target)
        except BlockingIOError:
            return None

    def shut(self, target: Target) -> None:
        """Make a silent address one that refuses."""
        for sock in self._silent[target[1]]:
            sock.close()

    def _bound(self, family: int) -> socket.socket:
        sock = self._stack.enter_context(socket.socket(family))
        sock.bind((LOOPBACK[socket.AddressFamily(family)], 0))
        return sock


@pytest.fixture
def places() -> Iterator[Places]:
    """Addresses of all kinds."""
    with ExitStack() as stack:
        yield Places(stack)


class Race:
    """A `connect_tcp` that is driven turn by turn, by a clock that is set by hand."""

    def __init__(self, driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._driver = driver
        self._loop: giambio.EventLoop
        self._task: giambio.Task[Any]
        self._clock = ManualClock(jumps=False)
        #: The addresses that were tried, in their order.
        self.tried: list[Target] = []
        connect_ex = socket.socket.connect_ex

        def noting(sock: socket.socket, address: Any) -> int:
            if (sock.family, address) not in self.tried:
                self.tried.append((sock.family, address))
            return connect_ex(sock, address)

        monkeypatch.setattr(socket.socket, "connect_ex", noting, raising=False)

    def begin(self, *targets: Target, **options: Any) -> None:
        """Begin to connect to a host with these addresses."""

        async def main() -> Any:
            giambio.set_resolver(Host(*targets))
            return await giambio.connect_tcp("host", 1, **options)

        self.tried.clear()  # of what made the addresses silent
        self._loop = giambio.EventLoop(driver=self._driver, clock=self._clock)
        self._task = self._loop.begin(main)
        self.advance(0)

    def advance(self, seconds: float) -> None:
        """Let time pass, and let happen what happens then."""
        self._clock.time += seconds
        for _ in range(50):  # turns, which do not wait: the loopback answers at once
            if not self._task.done():
                self._loop.turn()

    def is_over(self) -> bool:
        """Tell whether it has succeeded or failed."""
        return self._task.done()

    def end(self) -> Any:
        """What came out of it."""
        if not self._task.done():
            self._task.cancel()
            self.advance(0)
        try:
            return self._loop.end()
        finally:
            self._loop.close()


@pytest.fixture
def race(driver: str, monkeypatch: pytest.MonkeyPatch) -> Race:
    return Race(driver, monkeypatch)


# -- one address ------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [V4, V6])
def test_connecting_to_a_numeric_address(run: Run, places: Places, family: int) -> None:
    target = places.good(family)
    host, port = target[1][:2]

    async def main() -> None:
        async with await giambio.connect_tcp(host, port) as stream:
            assert isinstance(stream, giambio.AsyncSocket)
            assert isinstance(stream, giambio.ByteStream)
            assert stream.getpeername() == target[1]
            theirs = places.accept(target)
            await stream.send_all(b"hello")
            assert theirs.recv(100) == b"hello"

    run(main, threads=False)


def test_nothing_is_held_back(run: Run, places: Places) -> None:
    """Rule 16.3: `TCP_NODELAY` by default."""
    _, (host, port) = places.good()

    async def main() -> None:
        async with await giambio.connect_tcp(host, port) as stream:
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(main)


def test_one_failure_is_raised_as_itself(run: Run, places: Places) -> None:
    """Rules 8.3, 16.2: one failure is raised as itself."""
    _, (host, port) = places.refusing()

    async def main() -> None:
        message = rf"Connection refused: \('{host}', {port}\)"
        with pytest.raises(ConnectionRefusedError, match=message) as caught:
            await giambio.connect_tcp(host, port)
        assert caught.value.__cause__ is caught.value.__context__ is None
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names == ["main", "connect"]

    run(main)


def test_a_dropped_connection_says_where_it_was_made(run: Run, places: Places) -> None:
    """Rule 15.13: warned about once with the place it was made."""

    async def main() -> None:
        for targets in ([places.good()], [places.refusing(), places.good()]):
            giambio.set_resolver(Host(*targets))
            with pytest.warns(ResourceWarning, match=r"made at .*test_tcp\.py:(\d+)") as caught:
                await giambio.connect_tcp("host", 1)
            line = str(caught[0].message).partition("test_tcp.py:")[2].split()[0]
            assert int(line) == main.__code__.co_firstlineno + 4

    run(main)


# -- several addresses ------------------------------------------------------------------------


def test_the_families_take_turns(race: Race, places: Places) -> None:
    """Rule 16.1: interleaved families, and the best address first (RFC 8305, section 4)."""
    six = [places.refusing(V6) for _ in range(4)]
    four = [places.refusing(V4) for _ in range(2)]
    race.begin(*six, *four)
    with pytest.raises(OSError):
        race.end()
    assert race.tried == [six[0], four[0], six[1], four[1], six[2], six[3]]


def test_an_address_that_is_given_twice_is_tried_once(race: Race, places: Places) -> None:
    target = places.refusing()
    race.begin(target, target)
    with pytest.raises(ConnectionRefusedError):
        race.end()
    assert race.tried == [target]


@linux
def test_each_address_gets_a_head_start(race: Race, places: Places) -> None:
    """Rule 16.1: staggered starts, 250 ms apart (RFC 8305, section 5)."""
    targets = [places.silent(V6), places.silent(V4), places.good(V6)]
    race.begin(*targets)
    assert race.tried == targets[:1]
    race.advance(0.24)
    assert race.tried == targets[:1]
    race.advance(0.02)
    assert race.tried == targets[:2]
    race.advance(0.24)
    assert race.tried == targets[:2]
    assert not race.is_over()
    race.advance(0.02)
    assert race.tried == targets
    assert race.is_over()
    with race.end() as stream:
        assert stream.getpeername() == targets[2][1]


@linux
def test_the_head_start_can_be_set(race: Race, places: Places) -> None:
    targets = [places.silent(), places.good()]
    race.begin(*targets, happy_eyeballs_delay=3)
    race.advance(2.9)
    assert race.tried == targets[:1]
    race.advance(0.2)
    race.end().close()


def test_a_failure_starts_the_next_at_once(race: Race, places: Places) -> None:
    """RFC 8305, section 5: no need to wait for what has failed."""
    targets = [places.refusing(V6), places.refusing(V4), places.good(V6)]
    race.begin(*targets)
    assert race.is_over()
    with race.end() as stream:
        assert stream.getpeername() == targets[2][1]
    assert race.tried == targets


@linux
def test_the_failure_of_an_earlier_attempt_starts_the_next_as_well(
    race: Race, places: Places
) -> None:
    stuck, slow, good = places.silent(), places.silent(), places.good()
    race.begin(stuck, slow, good)
    race.advance(0.26)
    assert race.tried == [stuck, slow]
    places.shut(stuck)  # so it will refuse, when Linux asks again after a second
    deadline = time.monotonic() + 20
    while not race.is_over() and time.monotonic() < deadline:
        race.advance(0)
    with race.end() as stream:
        assert stream.getpeername() == good[1]


@linux
def test_losers_are_closed(race: Race, places: Places) -> None:
    """Rule 16.1: first wins, losers closed."""
    before = open_descriptors()
    targets = [places.silent(), places.silent(), places.good()]
    made = open_descriptors() - before
    race.begin(*targets)
    race.advance(0.26)
    race.advance(0.26)
    with race.end() as stream:
        assert open_descriptors() - before - made == {stream.fileno()}


def test_of_several_that_answer_at_once_one_wins(run: Run, places: Places) -> None:
    targets = [places.good() for _ in range(6)]

    async def main() -> None:
        giambio.set_resolver(Host(*targets))
        stream = await giambio.connect_tcp("host", 1, happy_eyeballs_delay=0)
        async with stream:
            (winner,) = [target for target in targets if target[1] == stream.getpeername()]
            theirs = places.accept(winner)
            await stream.send_all(b"hello")
            assert theirs.recv(100) == b"hello"
        for target in targets:
            if target is not winner and (connection := places.pending(target)):
                assert connection.recv(1) == b""  # opened, and closed

    run(main)


def test_the_one_that_won_stays_when_the_next_would_have_too(race: Race, places: Places) -> None:
    targets = [places.good(), places.good()]
    race.begin(*targets)
    assert race.is_over()
    with race.end() as stream:
        assert stream.getpeername() == targets[0][1]
    assert race.tried == targets[:1]


# -- all fail ---------------------------------------------------------------------------------


def test_if_all_refuse_the_error_is_a_refusal_too(run: Run, places: Places) -> None:
    """Rule 16.2: all errors reported in a group."""
    targets = [places.refusing(), places.refusing(V6), places.refusing()]

    async def main() -> None:
        giambio.set_resolver(Host(*targets))
        message = r"Connection refused: connecting to \('host', 1\), at 3 addresses"
        with pytest.raises(ConnectionRefusedError, match=message) as caught:
            await giambio.connect_tcp("host", 1)
        error = caught.value
        assert error.errno == errno.ECONNREFUSED
        group = error.__cause__
        assert isinstance(group, ExceptionGroup)
        assert [type(one) for one in group.exceptions] == [ConnectionRefusedError] * 3
        for one, (_, address) in zip(group.exceptions, targets, strict=True):
            assert str(address) in str(one)
            assert one.__traceback__ is one.__context__ is None
        assert len(traceback.extract_tb(error.__traceback__)) == 2

    run(main)


def test_if_all_fail_in_different_ways_the_error_tells_them_all(run: Run, places: Places) -> None:
    """Rule 16.2: all errors reported in a group."""
    refusing, unreachable = places.refusing(), (V4, ("255.255.255.255", 9))

    async def main() -> None:
        giambio.set_resolver(Host(refusing, unreachable))
        with pytest.raises(OSError) as caught:
            await giambio.connect_tcp("host", 1)
        error = caught.value
        assert type(error) is OSError
        group = error.__cause__
        assert isinstance(group, ExceptionGroup)
        assert str(error).startswith("connecting to ('host', 1) failed: ")
        for one in group.exceptions:
            assert str(one) in str(error)
        assert [type(one) for one in group.exceptions] == [ConnectionRefusedError, OSError]

    run(main)


def test_out_of_descriptors_is_one_of_the_failures(run: Run, places: Places) -> None:
    """Rule 15.18: running out of descriptors is one of the failures."""
    targets = [places.good(), places.good()]

    async def main() -> None:
        giambio.set_resolver(Host(*targets))
        with descriptors_left(0):
            error = await outcome(giambio.connect_tcp, "host", 1)
        assert isinstance(error, OSError)
        assert error.errno == errno.EMFILE
        (await giambio.connect_tcp("host", 1)).close()

    run(main)


# -- where from -------------------------------------------------------------------------------


def test_where_to_connect_from_can_be_chosen(run: Run, places: Places) -> None:
    target = places.good()
    host, port = target[1]

    async def main() -> None:
        for local in ("127.0.0.1", ("127.0.0.1", 0), "localhost", ("127.0.0.1", unused_port())):
            async with await giambio.connect_tcp(host, port, local_address=local) as stream:
                local_host, local_port = stream.getsockname()
                assert local_host == "127.0.0.1"
                if isinstance(local, tuple) and local[1]:
                    assert local_port == local[1]
                assert places.accept(target).getpeername() == stream.getsockname()

    run(main)


def test_only_addresses_of_the_same_family_are_tried(race: Race, places: Places) -> None:
    six, four = places.good(V6), places.good(V4)
    race.begin(six, four, local_address="127.0.0.1")
    with race.end() as stream:
        assert stream.getpeername() == four[1]
    assert race.tried == [four]


def test_if_there_is_none_of_the_same_family_it_says_so(run: Run) -> None:
    async def main() -> None:
        giambio.set_resolver(Host((V6, ("::1", 1, 0, 0))))
        with pytest.raises(socket.gaierror, match="'host' has no address of the family of local"):
            await giambio.connect_tcp("host", 1, local_address="127.0.0.1")

    run(main)


def test_a_local_address_of_somebody_else_is_an_os_error(run: Run, places: Places) -> None:
    _, (host, port) = places.good()

    async def main() -> None:
        with pytest.raises(OSError, match="assign requested address"):
            await giambio.connect_tcp(host, port, local_address="192.0.2.99")

    run(main)


# -- cancelled --------------------------------------------------------------------------------


def kinds(places: Places) -> dict[str, list[Target]]:
    return {
        "one good": [places.good()],
        "one silent": [places.silent()],
        "all good": [places.good(), places.good(V6), places.good()],
        "all silent": [places.silent(), places.silent(V6), places.silent()],
        "good after refusals": [places.refusing(), places.refusing(V6), places.good()],
        "good after silence": [places.silent(), places.silent(), places.good()],
    }


@linux
@pytest.mark.parametrize("delay", [0, 0.25])
@pytest.mark.parametrize(
    "kind",
    [
        *("one good", "one silent", "all good", "all silent"),
        *("good after refusals", "good after silence"),
    ],
)
def test_cancelled_at_any_moment_nothing_is_left_open(
    run: Run, places: Places, kind: str, delay: float
) -> None:
    """Rule 5.5: cancelled at any moment, nothing is left open."""
    targets = kinds(places)[kind]
    before = open_descriptors()

    async def main() -> list[str]:
        giambio.set_resolver(Host(*targets))
        await giambio.sleep(0)
        mine = open_descriptors()
        ends = []
        for moment in [*range(25), 200]:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(
                    connect_and_tell, {"happy_eyeballs_delay": delay}, name="connecting"
                )
                await turns(moment)
                task.cancel()
            ends.append("cancelled" if task.cancelled() else task.result())
            assert open_descriptors() == mine
        return ends

    async def connect_and_tell(options: Any) -> str:
        stream = await giambio.connect_tcp("host", 1, **options)
        stream.close_now()
        return "connected"

    ends = run(main)
    assert open_descriptors() == before
    assert ends[0] == "cancelled"
    if "good" in kind and not (kind == "good after silence" and delay):
        assert ends[-1] == "connected"
    else:
        assert set(ends) == {"cancelled"}


def test_a_time_out_closes_everything(run: Run, places: Places) -> None:
    targets = [places.silent(), places.silent(V6)]

    async def main() -> None:
        giambio.set_resolver(Host(*targets))
        mine = open_descriptors()
        with pytest.raises(TimeoutError), giambio.fail_after(0.05):
            await giambio.connect_tcp("host", 1, happy_eyeballs_delay=0.01)
        assert open_descriptors() == mine

    run(main)


# -- what is no address -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        (("example.com", "80"), {}, TypeError, "the port must be a whole number"),
        (("example.com", 65536), {}, ValueError, "a number from 0 to 65535"),
        ((80, "example.com"), {}, TypeError, "the host must be a string"),
        ((b"example.com", 80), {}, TypeError, "the host must be a string"),
        (("exa\0mple", 80), {}, ValueError, "the host has a null character"),
        (("::1", 80), {"tls": 1}, TypeError, "needs True, False or an ssl.SSLContext for tls"),
        (("::1", 80), {"tls": None}, TypeError, "needs True, False or an ssl.SSLContext for tls"),
        (("::1", 80), {"local_address": "example.com"}, ValueError, "a numeric address of this"),
        (("::1", 80), {"local_address": 80}, TypeError, "bad address 80"),
        (
            ("::1", 80),
            {"happy_eyeballs_delay": -1},
            ValueError,
            "from 0 up for happy_eyeballs_delay, not -1",
        ),
        (("::1", 80), {"happy_eyeballs_delay": "1"}, TypeError, "needs a number for happy_eye"),
    ],
)
def test_bad_input_says_what_is_wrong(
    run: Run, args: Any, options: Any, error: type[Exception], message: str
) -> None:
    """Rule 19.1: the error names the mistake."""

    async def main() -> None:
        with pytest.raises(error, match=message):
            await giambio.connect_tcp(*args, **options)

    run(main, threads=False)
