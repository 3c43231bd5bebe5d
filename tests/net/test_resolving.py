"""Names are looked up in threads of their own, which do nothing else."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.testing import VirtualClock, wait_all_tasks_blocked
from giambio.threads import workers
from support.net import listening, outcome, turns

Run = Callable[..., Any]


class Resolver:
    """Stands in for the system's resolver: it answers when it is let go."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.let_go = threading.Event()
        self.let_go.set()
        self.threads: list[threading.Thread] = []
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        self.threads.append(threading.current_thread())
        self.asked.append(host)
        assert self.let_go.wait(30)
        answer = self.answers[host]
        if isinstance(answer, BaseException):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """The redirected resolver; its threads are soon idle, and gone at the end."""
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.05)
    yield made
    made.let_go.set()
    for thread in made.threads:
        thread.join(20)
        assert not thread.is_alive()


async def connect(address: Any) -> socket.AddressFamily:
    """Connect to an address, and hang up."""
    with giambio.wrap_socket(socket.socket()) as sock:
        await sock.connect(address)
        return sock.getpeername()[0]  # type: ignore[no-any-return]


def test_a_name_is_resolved_in_a_named_daemon_thread(run: Run, resolver: Resolver) -> None:
    """Rule 13.4: named `giambio-…`, a daemon."""
    resolver.answers["server.example"] = ["127.0.0.1"]

    async def main() -> None:
        with listening() as listener:
            port = listener.getsockname()[1]
            assert await connect(f"server.example:{port}") == "127.0.0.1"
            (await listener.accept())[0].close()

    run(main)
    (thread,) = resolver.threads
    assert thread is not threading.main_thread()
    assert thread.name.startswith("giambio-")
    assert thread.daemon


def test_the_loop_goes_on_while_a_name_is_resolved(run: Run, resolver: Resolver) -> None:
    resolver.answers["slow.example"] = socket.gaierror(socket.EAI_NONAME, "unknown")
    resolver.let_go.clear()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(outcome, connect, "slow.example")
            await turns(100)
            await giambio.sleep(0.01)
            assert not task.done()
            assert any(name.startswith("giambio-") for name in giambio.build_info().threads)
            resolver.let_go.set()
        assert isinstance(task.result(), socket.gaierror)

    run(main)


def test_a_name_that_does_not_exist_is_a_gaierror(run: Run, resolver: Resolver) -> None:
    resolver.answers["no.example"] = socket.gaierror(socket.EAI_NONAME, "Name not known")

    async def main() -> None:
        with pytest.raises(socket.gaierror, match="Name not known"):
            await connect("no.example")

    run(main)


def test_no_answer_at_all_is_a_gaierror(run: Run, resolver: Resolver) -> None:
    resolver.answers["empty.example"] = []

    async def main() -> None:
        with pytest.raises(socket.gaierror, match=r"no address found for 'empty.example'"):
            await connect("empty.example")

    run(main)


def test_a_host_that_cannot_be_a_name_is_a_bad_address(run: Run) -> None:
    """Rule 15.2: an impossible host name."""

    async def main() -> None:
        with pytest.raises(ValueError, match=r"bad address .* cannot be a host name"):
            await connect("a" * 70 + ".example")

    run(main)


def test_a_cancelled_look_up_is_abandoned(run: Run, resolver: Resolver) -> None:
    """Rule 5.5: a cancelled operation did not happen."""
    resolver.answers["slow.example"] = ["127.0.0.1"]
    resolver.let_go.clear()

    async def main() -> None:
        with giambio.wrap_socket(socket.socket()) as sock:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(sock.connect("slow.example:1"))
                await turns()
                while not resolver.asked:
                    await giambio.sleep(0.001)
                task.cancel()
            assert task.cancelled()
            resolver.let_go.set()
            await turns(20)
            with pytest.raises(OSError, match="not connected"):
                sock.getpeername()

    run(main)


def test_a_look_up_that_takes_too_long_is_a_timeout(run: Run, resolver: Resolver) -> None:
    """Rule 13.18: below `connect_tcp` as well; its thread is left, and its answer dropped."""
    resolver.answers["slow.example"] = ["127.0.0.1"]
    resolver.let_go.clear()

    async def main() -> None:
        giambio.set_resolver(giambio.Resolver(timeout=0.01))
        message = r"resolving 'slow.example' took longer than the 0.01 seconds of Resolver"
        for look_up in (giambio.connect_tcp, giambio.getaddrinfo):
            with pytest.raises(TimeoutError, match=message):
                await look_up("slow.example", 1)
        while len(resolver.threads) < 2:
            await giambio.sleep(0.001)
        assert all(thread.is_alive() for thread in resolver.threads)
        resolver.let_go.set()
        giambio.set_resolver(giambio.Resolver(timeout=30))
        assert (await giambio.getaddrinfo("slow.example", 1))[0][4] == ("127.0.0.1", 1)

    run(main)


def test_the_timeout_holds_for_subclasses(run: Run) -> None:
    """Rule 13.18: of both ways, also for one that has no `__init__` called."""

    class Silent(giambio.Resolver):
        async def getaddrinfo(self, *args: Any, **keywords: Any) -> Any:
            await giambio.sleep_forever()

        async def getnameinfo(self, *args: Any, **keywords: Any) -> Any:
            await giambio.sleep_forever()

    class Careless(Silent):
        def __init__(self) -> None:
            pass

    async def main() -> None:
        giambio.set_resolver(Silent(timeout=5))
        with pytest.raises(TimeoutError, match=r"resolving 'a.example' took longer than the 5 sec"):
            await giambio.getaddrinfo("a.example", 1)
        with pytest.raises(TimeoutError, match=r"finding the name of \('127.0.0.1', 1\) took"):
            await giambio.getnameinfo(("127.0.0.1", 1))
        assert giambio.current_time() == pytest.approx(start + 10)
        giambio.set_resolver(Careless())
        with giambio.move_on_after(100) as scope:
            await giambio.getaddrinfo("a.example", 1)
        assert scope.cancelled_caught

    clock = VirtualClock()
    start = clock.now()
    run(main, clock=clock)


@pytest.mark.parametrize("wrong", ["5", -1, float("nan")])
def test_a_timeout_that_is_none_is_refused(wrong: Any) -> None:
    """Rule 19.6: at the call."""
    with pytest.raises((TypeError, ValueError), match=r"Resolver\(\) needs a number"):
        giambio.Resolver(timeout=wrong)


def test_a_look_up_may_outlive_its_loop(run: Run, resolver: Resolver) -> None:
    resolver.answers["slow.example"] = ["127.0.0.1"]
    resolver.let_go.clear()

    async def main() -> None:
        with giambio.move_on_after(0.01):
            await connect("slow.example")

    run(main)
    resolver.let_go.set()


def test_the_threads_are_bounded_and_what_waits_can_be_withdrawn(
    run: Run, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 13.3: bounded."""
    monkeypatch.setattr(workers, "MOST_WORKERS", 2)
    names = [f"host{number}.example" for number in range(8)]
    resolver.answers = {name: socket.gaierror(socket.EAI_NONAME, name) for name in names}
    resolver.let_go.clear()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            tasks = {name: await manager.spawn(outcome, connect, name) for name in names}
            await wait_all_tasks_blocked()
            while len(resolver.asked) < 2:
                await giambio.sleep(0.001)
            withdrawn = tasks.pop(next(name for name in names if name not in resolver.asked))
            withdrawn.cancel()
            await wait_all_tasks_blocked()
            resolver.let_go.set()
        assert withdrawn.cancelled()
        assert [type(task.result()) for task in tasks.values()] == [socket.gaierror] * 7
        assert sorted(resolver.asked) == list(tasks)

    run(main)
    assert len(set(resolver.threads)) <= 2


def test_look_ups_that_hang_do_not_hold_up_files(
    run: Run, resolver: Resolver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When no name server answers, each look-up takes half a minute; files go on meanwhile."""
    monkeypatch.setattr(workers, "MOST_WORKERS", 2)
    names = [f"host{number}.example" for number in range(4)]
    resolver.answers = {name: socket.gaierror(socket.EAI_AGAIN, name) for name in names}
    resolver.let_go.clear()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for name in names:
                await manager.spawn(outcome, connect, name)
            while len(resolver.asked) < 2:
                await giambio.sleep(0.001)
            with giambio.fail_after(20):
                await giambio.Path(tmp_path / "folder").mkdir()
            resolver.let_go.set()

    try:
        run(main)
    finally:
        resolver.let_go.set()
    assert os.listdir(tmp_path) == ["folder"]


def test_an_idle_thread_goes_away(run: Run, resolver: Resolver) -> None:
    """Rule 13.5: gone when idle."""
    resolver.answers["no.example"] = socket.gaierror(socket.EAI_NONAME, "unknown")
    run(outcome, connect, "no.example")
    deadline = time.monotonic() + 20
    while giambio.build_info().threads and time.monotonic() < deadline:
        resolver.threads[0].join(0.1)
    assert not giambio.build_info().threads


def test_without_threads_a_name_is_an_error(run: Run) -> None:
    """Rule 13.7: `EventLoop(threads=False)` makes them errors."""

    async def main() -> None:
        message = "resolving 'some.example' needs a worker thread, and .* threads=False"
        with pytest.raises(RuntimeError, match=message):
            await connect("some.example")

    run(main, threads=False)


def test_numeric_addresses_need_no_thread(run: Run) -> None:
    """Rule 13.2: a server and client on numeric addresses run with one thread."""
    seen: set[int] = set()

    async def echo(listener: giambio.AsyncSocket) -> None:
        connection, _ = await listener.accept()
        with connection:
            while data := await connection.receive(100):
                seen.add(threading.active_count())
                await connection.send_all(data)

    async def main() -> None:
        with listening() as listener:
            async with giambio.TaskManager() as manager:
                manager.start_soon(echo, listener)
                with giambio.wrap_socket(socket.socket()) as sock:
                    await sock.connect(listener.getsockname())
                    await sock.send_all(b"hello")
                    assert await sock.receive(100) == b"hello"
                    seen.add(threading.active_count())

    before = threading.active_count()
    run(main, threads=False)
    assert seen == {before} == {1}


def test_a_numeric_address_with_a_scope_or_of_the_wrong_family_needs_no_thread(run: Run) -> None:
    """Rule 13.1: only for resolving a name that is not numeric."""

    async def main() -> None:
        with (
            giambio.wrap_socket(socket.socket(socket.AF_INET6)) as sock,
            pytest.raises(OSError, match=r"refused|unreachable|assign|No such device"),
        ):
            await sock.connect("[fe80::1%lo]:1")
        with (
            giambio.wrap_socket(socket.socket(socket.AF_INET6)) as sock,
            pytest.raises(socket.gaierror),
        ):
            await sock.connect("127.0.0.1:1")

    run(main, threads=False)
