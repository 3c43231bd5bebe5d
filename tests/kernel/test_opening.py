"""What opens something is awaited or entered: one of the two, and once."""

from __future__ import annotations

import gc
import inspect
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.net import listening, open_descriptors
from support.sync import settled

Run = Callable[..., Any]
#: Calls of a function that opens something.
Open = Callable[[], Any]

NAMES = [
    *("connect_tcp", "connect_unix", "connect_udp", "open_udp", "open_unix_listener"),
    *("open_file", "Path.open", "open_process", "start_tls"),
]
BAD_ARGUMENTS: dict[str, Callable[[], Any]] = {
    "connect_tcp": lambda: giambio.connect_tcp("localhost", "http"),  # type: ignore[call-overload]
    "connect_unix": lambda: giambio.connect_unix(""),
    "connect_udp": lambda: giambio.connect_udp("localhost", -1),
    "open_udp": lambda: giambio.open_udp(70000),
    "open_unix_listener": lambda: giambio.open_unix_listener("\0name", mode=0o600),
    "open_file": lambda: giambio.open_file("file", "q"),
    "Path.open": lambda: giambio.Path("file").open("q"),
    "open_process": lambda: giambio.open_process("ls -l"),
    "start_tls": lambda: giambio.start_tls(5),  # type: ignore[arg-type]
}


@pytest.fixture
def opens(tmp_path: Path) -> Iterator[dict[str, Open]]:
    """How each of them is called, with something at the other end."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = server.getsockname()[1]
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(os.fspath(tmp_path / "server"))
        unix.listen()
        file = tmp_path / "file"
        file.touch()
        (ours, theirs) = giambio.memory_stream_pair()
        stack.enter_context(ours)
        stack.enter_context(theirs)
        yield {
            "connect_tcp": lambda: giambio.connect_tcp("127.0.0.1", port),
            "connect_unix": lambda: giambio.connect_unix(tmp_path / "server"),
            "connect_udp": lambda: giambio.connect_udp("127.0.0.1", port),
            "open_udp": lambda: giambio.open_udp(host="127.0.0.1"),
            "open_unix_listener": lambda: giambio.open_unix_listener(tmp_path / "listener"),
            "open_file": lambda: giambio.open_file(file),
            "Path.open": lambda: giambio.Path(file).open(),
            "open_process": lambda: giambio.open_process([sys.executable, "-c", ""]),
            "start_tls": lambda: giambio.start_tls(ours, server_hostname="example.com"),
        }


@pytest.mark.parametrize("name", NAMES[:-1])  # TLS needs an answer; see test_tls_handshake
def test_it_is_opened_and_closed_by_its_block(run: Run, opens: dict[str, Open], name: str) -> None:
    """Rule 3.21: entering opens it, and leaving closes it, as with what an await gives."""

    async def main() -> None:
        async with await opens[name]() as awaited:
            pass
        before = open_descriptors()  # with those that the loop itself has opened now
        async with opens[name]() as entered:
            assert type(entered) is type(awaited)
            assert open_descriptors() - before
        assert open_descriptors() == before

    run(main)


def test_an_error_of_the_body_leaves_as_it_is(run: Run, opens: dict[str, Open]) -> None:
    """Rule 3.21: the block of what was opened sees the exception."""

    async def main() -> None:
        with pytest.raises(KeyError) as caught:
            async with opens["open_process"]() as process:
                raise KeyError("mine")
        assert process.returncode is not None
        assert caught.value.__context__ is None

    run(main)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_awaited_or_entered_once(run: Run, opens: dict[str, Open], name: str) -> None:
    """Rules 3.12, 3.21: either twice, or both, is an error that says so."""

    async def main() -> None:
        said = r"this \w+\(\) was awaited or entered already, which can be done once; call it again"
        for first in (awaiting, entering):
            opening = opens[name]()
            with giambio.CancelScope() as scope:
                scope.cancel()  # the first time need not succeed
                await first(opening)
            for second in (awaiting, entering):
                with pytest.raises(RuntimeError, match=said):
                    await second(opening)

    run(main)


async def awaiting(opening: Any) -> None:
    """Await."""
    await opening


async def entering(opening: Any) -> None:
    """Enter."""
    async with opening:
        raise AssertionError("the body must not run")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("use", [awaiting, entering])
def test_cancelled_it_leaves_nothing_open(
    run: Run, opens: dict[str, Open], name: str, use: Callable[[Any], Any]
) -> None:
    """Rules 3.21, 5.5: a cancelled `__aenter__` opens nothing, and the body does not run."""

    async def main() -> None:
        before = open_descriptors()
        with giambio.CancelScope() as scope:
            scope.cancel()
            await use(opens[name]())
        assert scope.cancelled_caught
        assert open_descriptors() == before

    run(main)


def test_cancelled_while_it_waits_it_leaves_nothing_open(run: Run) -> None:
    """Rules 3.21, 5.8: a `connect` under way is given up, and its socket closed."""

    async def main() -> None:
        with listening(backlog=0) as listener, ExitStack() as stack:
            address = listener.getsockname()
            while True:  # until nobody else is let in, and connecting waits
                before = open_descriptors()
                with giambio.move_on_after(0.05) as scope:
                    async with giambio.connect_tcp(*address) as stream:
                        pass
                if scope.cancelled_caught:
                    break
                plain = stack.enter_context(socket.socket())
                plain.setblocking(False)
                plain.connect_ex(address)
                assert stream
            assert open_descriptors() == before

    run(main)


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_bad_arguments_are_an_error_at_the_call(name: str) -> None:
    """Rules 3.21, 19.1: where the mistake was made, which needs no loop."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((TypeError, ValueError)):
            BAD_ARGUMENTS[name]()
        gc.collect()


@pytest.mark.parametrize("name", NAMES)
def test_forgotten_it_warns_at_the_line_of_the_call(
    run: Run, opens: dict[str, Open], name: str
) -> None:
    """Rules 3.13, 3.21: the warning has the file and the line of the call, and nothing is open."""

    async def main() -> None:
        before = open_descriptors()
        with pytest.warns(RuntimeWarning) as caught:
            opens[name]()
            gc.collect()
        function = name.replace("Path.open", "open_file")
        assert [str(one.message) for one in caught] == [f"{function}() was never awaited"]
        line = inspect.getsourcelines(opens[name])[1]
        assert (caught[0].filename, caught[0].lineno) == (__file__, line)
        assert open_descriptors() == before

    run(main)


def test_each_place_where_it_is_forgotten_is_told_of_once(
    run: Run, opens: dict[str, Open], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 3.21: a second place is not taken for a repetition of the first one."""
    told: list[int] = []

    async def main() -> None:
        for _ in range(2):
            opens["connect_tcp"]()
            opens["open_file"]()
            gc.collect()

    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("default")
        monkeypatch.setattr(warnings, "showwarning", lambda *args: told.append(args[3]))
        run(main)
    assert sorted(told) == sorted(
        inspect.getsourcelines(opens[name])[1] for name in ("connect_tcp", "open_file")
    )


def test_an_error_of_its_warning_goes_to_the_unraisable_hook(
    run: Run, opens: dict[str, Open], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 3.21: with `-W error`, as for a coroutine."""
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda problem: seen.append(problem.exc_type))

    async def main() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            opens["open_file"]()
            gc.collect()

    run(main)
    assert seen == [RuntimeWarning]


def test_it_can_be_entered_by_a_stack(run: Run, opens: dict[str, Open]) -> None:
    """Rule 3.21: it is an asynchronous context manager like any other."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            file = await stack.enter_async_context(opens["open_file"]())
            assert not file.closed
        assert file.closed

    run(main)


def test_leaving_it_before_it_was_entered_is_an_error(run: Run, opens: dict[str, Open]) -> None:
    """Rule 19.1: as for a scope."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            opening = opens["open_file"]()
            stack.push_async_exit(opening)
            with pytest.raises(RuntimeError, match=r"open_file\(\) was left before it was entered"):
                await stack.aclose()
            (await opening).close_now()

    run(main)


@pytest.mark.parametrize("name", NAMES)
def test_with_says_async_with(run: Run, opens: dict[str, Open], name: str) -> None:
    """Rule 19.1: the error names the block, and the word that is missing."""

    async def main() -> None:
        function = name.replace("Path.open", "open_file")
        opening = opens[name]()
        with pytest.raises(TypeError) as caught, opening:
            pass
        assert str(caught.value) == f"{function}() is entered with `async with`, not `with`"
        with giambio.CancelScope() as scope:
            scope.cancel()
            await opening

    run(main)


# -- where an awaitable is wanted ------------------------------------------------------------


def test_it_is_taken_wherever_an_awaitable_is(run: Run, opens: dict[str, Open]) -> None:
    """Rules 3.21, 7.10: the call, or the function and its arguments."""
    make = opens["open_file"]

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            tasks = [
                await manager.spawn(make()),
                await manager.spawn(make),
                manager.start_soon(make()),
                manager.start_soon(giambio.open_file, os.devnull),
                await manager.spawn(giambio.open_file, os.devnull, "rb"),
            ]
        assert {task.name.rpartition(".")[2] for task in tasks} == {"open_file"}
        files = [await task for task in tasks]
        files += await giambio.gather(make(), make, giambio.open_file(os.devnull))
        files.append(await giambio.race(make()))
        files += await giambio.map_concurrent(giambio.open_file, [os.devnull])
        for file in files:
            async with file:
                assert isinstance(file, giambio.AsyncFile)

    run(main)
    run(giambio.open_file, os.devnull).close_now()


def test_one_that_is_refused_is_closed_silently(run: Run, opens: dict[str, Open]) -> None:
    """Rule 19.2: nothing warns as well."""
    make: Any = opens["open_file"]

    async def main() -> None:
        manager = giambio.TaskManager()
        with pytest.raises(RuntimeError):
            manager.start_soon(make())
        async with manager:
            with giambio.CancelScope() as scope:
                scope.cancel()
                await manager.spawn(make())
            with pytest.raises(TypeError, match="arguments beside an awaitable"):
                await manager.spawn(make(), 1)
            same = make()
            await manager.spawn(same)
            with pytest.raises(RuntimeError, match="was awaited or entered already"):
                await manager.spawn(same)
            (task,) = (child for child in giambio.task_tree() for child in child.children)
            assert task.name.endswith("open_file")

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", ResourceWarning)  # the one that was opened is dropped
        run(main)
        with pytest.raises(TypeError, match="needs the async function itself"):
            run(make())
        gc.collect()


def test_a_task_that_opens_something_shows_where(run: Run) -> None:
    """Rule 18.2: the task tree looks through it, at the user's line and what it waits for."""

    async def waiter() -> None:
        async with giambio.start_tls(ours, server_hostname="example.com"):
            raise AssertionError("nobody answers")

    (ours, theirs) = giambio.memory_stream_pair()

    async def main() -> None:
        with ours, theirs:
            async with giambio.TaskManager() as manager:
                await manager.spawn(waiter)
                await settled()
                (task,) = giambio.task_tree()[0].children
                assert [frame.function.rpartition(".")[2] for frame in task.frames] == ["waiter"]
                assert task.state == "waiting"
                manager.cancel()

    run(main)
