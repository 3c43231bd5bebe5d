"""giambio as a back end of AnyIO, as far as AnyIO's own tests do not cover it.

Those run in `tests/conformance`, and test AnyIO's promises. The tests here are about giambio: the
back end is complete, it imports only what it needs, and the two work together in one task.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.kernel import turns
from support.programs import printed

anyio = pytest.importorskip("anyio")
pytest.importorskip("sniffio")

from anyio import abc, from_thread, to_thread  # noqa: E402
from giambio.anyio import backend_class  # noqa: E402
from giambio.anyio.test_runner import TestRunner  # noqa: E402

Run = Callable[..., Any]
SECONDS = 50


def methods(cls: type) -> dict[str, Any]:
    """What a class itself defines, but for what Python gives to every class."""
    return {name: getattr(cls, name) for name in vars(cls) if not name.startswith("_")}


# -- it is complete ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "ours"), [(abc.AsyncBackend, backend_class), (abc.TestRunner, TestRunner)]
)
def test_no_method_is_missing(asked: type, ours: type) -> None:
    """Every method of `anyio.abc.AsyncBackend` is there, its test runner included."""
    assert not inspect.isabstract(ours)
    assert methods(asked).keys() <= methods(ours).keys()


@pytest.mark.parametrize("name", methods(abc.AsyncBackend))
def test_a_method_takes_what_it_is_asked_with(name: str) -> None:
    asked = inspect.signature(getattr(abc.AsyncBackend, name)).parameters
    ours = inspect.signature(getattr(backend_class, name)).parameters
    takes_any = {p.kind for p in ours.values()} & {inspect.Parameter.VAR_KEYWORD}
    missing = [
        parameter.name
        for parameter in asked.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and parameter.name not in ours
    ]
    assert not missing or takes_any
    assert inspect.iscoroutinefunction(getattr(backend_class, name)) == inspect.iscoroutinefunction(
        getattr(abc.AsyncBackend, name)
    )


# -- what it imports -----------------------------------------------------------------------------

EVERYTHING = """
    import signal, sys
    import giambio, anyio
    from anyio import from_thread, to_process, to_thread
    from anyio.abc import SocketAttribute

    async def main():
        async with anyio.create_task_group() as group:
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
            port = listener.extra(SocketAttribute.local_port)

            async def answer(stream):
                async with stream:
                    await stream.send(b"hello")

            group.start_soon(listener.serve, answer)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.receive()
            group.cancel_scope.cancel()
            await listener.aclose()
        async with await anyio.create_udp_socket(local_host="127.0.0.1") as udp:
            await udp.sendto(b"hello", "127.0.0.1", udp.extra(SocketAttribute.local_port))
            await udp.receive()
        await anyio.getaddrinfo("localhost", 80)
        with anyio.move_on_after(0.001):
            await anyio.sleep_forever()
        await to_thread.run_sync(lambda: from_thread.run(anyio.sleep, 0))
        await anyio.run_process([sys.executable, "-c", ""])
        async with await anyio.open_file(__file__) as file:
            await file.read()
        with anyio.open_signal_receiver(signal.SIGTERM):
            pass
        for made in (anyio.Event, anyio.Lock, anyio.Condition):
            made()
        await to_process.run_sync(abs, -1)
        print("done", {"asyncio", "trio"} & sys.modules.keys())

    if __name__ == "__main__":
        anyio.run(main, backend="giambio")
"""


def test_it_imports_neither_trio_nor_asyncio_to_do_its_work(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(EVERYTHING))
    assert printed(f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')") == [
        "done set()"
    ]


# -- how it is run -------------------------------------------------------------------------------


def test_anyio_run(driver: str) -> None:
    """`anyio.run(main, backend="giambio")`; its options are those of `giambio.run`."""

    async def main(greeting: str) -> tuple[str, str]:
        await anyio.sleep(0)
        return greeting, type(giambio.current_loop()._driver).__name__.lower()

    options = {"driver": driver, "strict": True}
    greeting, name = anyio.run(main, "hello", backend="giambio", backend_options=options)
    assert greeting == "hello"
    assert driver.rstrip("s") in name


def test_giambio_run_is_enough(run: Run) -> None:
    async def main() -> bytes:
        send, receive = anyio.create_memory_object_stream[bytes](1)
        async with send, receive, anyio.create_task_group() as group:
            group.start_soon(send.send, b"hello")
            return bytes(await receive.receive())

    assert run(main) == b"hello"


def test_a_portal_of_anyio_s_runs_giambio_in_its_thread() -> None:
    async def main(*, task_status: Any) -> str:
        task_status.started(giambio.current_task().name)
        return await to_thread.run_sync(lambda: from_thread.run(asked))

    async def asked() -> str:
        return type(giambio.current_loop()).__qualname__

    with from_thread.start_blocking_portal("giambio") as portal:
        future, name = portal.start_task(main, name="a task")
        assert name == "a task"
        assert future.result(SECONDS) == "EventLoop"


TESTS = """
    import contextvars, anyio, giambio, pytest

    variable = contextvars.ContextVar("variable", default="not set")
    pytestmark = pytest.mark.anyio

    @pytest.fixture(params=[("giambio", {}), ("giambio", {"driver": "selectors"})])
    def anyio_backend(request):
        return request.param

    @pytest.fixture
    async def group():
        async with anyio.create_task_group() as group:
            variable.set("by the fixture")
            yield group
            group.cancel_scope.cancel()

    @pytest.fixture
    async def value():
        await anyio.sleep(0.001)
        return giambio.current_task()

    async def test_fixtures(group, value):
        assert value is giambio.current_task()
        assert variable.get() == "by the fixture"
        group.start_soon(anyio.sleep_forever)
        await anyio.wait_all_tasks_blocked()

    async def test_failure():
        async with anyio.create_task_group() as group:
            group.start_soon(fail)

    async def fail():
        raise LookupError("of a task")

    class TestInClass:
        async def test_one(self):
            with pytest.raises(TimeoutError), anyio.fail_after(0.001):
                await anyio.sleep_forever()
"""


def test_tests_marked_anyio_run_on_it(tmp_path: Path) -> None:
    """`@pytest.mark.anyio` tests run on it."""
    (tmp_path / "test_some.py").write_text(textwrap.dedent(TESTS))
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert "2 failed, 4 passed" in done.stdout, done.stdout + done.stderr
    assert "LookupError: of a task" in done.stdout


# -- the two in one task -------------------------------------------------------------------------


def test_scopes_of_both_nest(run: Run) -> None:
    async def main() -> list[str]:
        happened = []
        with giambio.CancelScope() as outer:
            outer.cancel("of giambio")
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0)
                happened.append("shielded")
            try:
                await anyio.sleep(0)
            except anyio.get_cancelled_exc_class() as exc:
                happened.append(type(exc).__qualname__)
                raise
        with anyio.CancelScope() as scope:
            scope.cancel()
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0)
                happened.append("shielded")
            await giambio.sleep(0)
        assert scope.cancelled_caught
        with giambio.move_on_after(50):
            assert anyio.current_effective_deadline() == giambio.current_effective_deadline()
        with anyio.move_on_after(50):
            assert anyio.current_effective_deadline() == giambio.current_effective_deadline()
        return happened

    assert run(main) == ["shielded", "CancelledError", "shielded"]


def test_a_cancelled_anyio_group_inside_of_a_manager_and_the_other_way_round(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                await giambio.checkpoint()
                group.cancel_scope.cancel()
            async with anyio.create_task_group() as group, giambio.TaskManager() as inner:
                task = await inner.spawn(anyio.sleep_forever)
                group.cancel_scope.cancel()
            assert task.cancelled()
            assert not manager.cancel_scope.cancel_called

    run(main)


def test_each_block_raises_as_its_library_promises(run: Run) -> None:
    async def fail() -> None:
        raise ValueError("of a task")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with anyio.create_task_group() as group:
                group.start_soon(fail)
        (failure,) = caught.value.exceptions
        assert isinstance(failure, ValueError)
        with pytest.raises(ValueError, match="of a task"):
            async with giambio.TaskManager() as manager:
                manager.start_soon(fail)

    run(main)


@pytest.mark.filterwarnings("ignore:async generator:ResourceWarning")
@pytest.mark.parametrize("waits", [False, True])
def test_a_task_group_in_an_async_generator_that_is_collected_is_closed(
    run: Run, waits: bool
) -> None:
    """Rule 7.27: as a manager is."""
    cancelled: list[bool] = []

    async def child() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    async def numbers() -> AsyncIterator[int]:
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            await anyio.lowlevel.checkpoint()
            try:
                yield 1
            finally:
                if waits:
                    await anyio.lowlevel.checkpoint()

    async def main() -> str:
        async for _ in numbers():
            break
        gc.collect()
        await turns(5)
        assert cancelled == [True]
        return "unharmed"

    assert run(main) == "unharmed"


def test_tasks_of_both_are_in_one_tree(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager, anyio.create_task_group() as group:
            manager.start_soon(giambio.sleep_forever, name="of a manager")
            group.start_soon(anyio.sleep_forever, name="of a group")
            await anyio.wait_all_tasks_blocked()
            names = {task.name for task in anyio.get_running_tasks()}
            assert {"of a manager", "of a group"} < names
            assert "of a group (" in giambio.format_task_tree()
            manager.cancel()

    run(main)


def test_a_deadlock_among_users_of_anyio_s_locks_is_found(run: Run) -> None:
    async def main() -> None:
        semaphore = anyio.Semaphore(0)
        await semaphore.acquire()

    with pytest.raises(giambio.DeadlockError, match=r"Semaphore\.acquire"):
        run(main)


def test_an_event_is_not_set_from_another_thread(run: Run) -> None:
    """It would wake nobody, or break the loop; asyncio and Trio do not notice."""

    async def main() -> None:
        event = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(event.wait)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
                await to_thread.run_sync(event.set)
            assert not event.is_set()
            event.set()

    run(main)


def test_worker_threads_are_those_of_giambio(run: Run) -> None:
    async def main() -> str:
        limiter = to_thread.current_default_thread_limiter()
        assert limiter.total_tokens == giambio.current_default_thread_limiter().total_tokens
        limiter.total_tokens += 1
        assert limiter.total_tokens == giambio.current_default_thread_limiter().total_tokens
        limiter.total_tokens -= 1
        return str(await to_thread.run_sync(lambda: threading.current_thread().name))

    assert run(main).startswith("giambio-")


def test_a_task_group_can_be_extended_where_asyncer_looks_for_it(run: Run) -> None:
    async def main() -> list[str]:
        backend: Any = importlib.import_module("anyio._backends._giambio")
        ran = []

        class Extended(backend.TaskGroup):
            def soon(self) -> None:
                self.start_soon(work)

        async def work() -> None:
            ran.append(giambio.current_task().name.rpartition(".")[2])

        async with Extended() as group:
            group.soon()
        return ran

    assert run(main) == ["work"]


# -- sockets --------------------------------------------------------------------------------------


def test_nothing_can_be_sent(run: Run) -> None:
    async def main() -> bytes:
        received = []

        async def handler(stream: Any) -> None:
            async with stream:
                received.append(await stream.receive())
            group.cancel_scope.cancel()

        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, handler)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"")
                await stream.send(b"something")
                await anyio.sleep_forever()
        return bytes(received[0])

    assert run(main) == b"something"


def test_a_second_sender_leaves_nothing_that_was_never_awaited(run: Run) -> None:
    """Warnings are errors here."""

    async def main() -> None:
        async with await anyio.create_connected_udp_socket("127.0.0.1", 9) as sock:
            sending: Any = sock
            with sending._sending, pytest.raises(anyio.BusyResourceError, match="writing to"):
                await sock.send(b"second")
        async with await anyio.create_udp_socket(local_host="127.0.0.1") as sock:
            sending = sock
            with sending._sending, pytest.raises(anyio.BusyResourceError, match="writing to"):
                await sock.sendto(b"second", "127.0.0.1", 9)

    run(main)


def test_a_datagram_socket_that_cannot_be_connected_is_closed(run: Run, tmp_path: Path) -> None:
    """Otherwise it would be warned about."""

    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await anyio.create_connected_unix_datagram_socket(tmp_path / "nobody")

    run(main)


def test_connect_unix_waits_for_a_place_in_a_full_backlog(run: Run, tmp_path: Path) -> None:
    """The system asks to try again later, and does not tell when."""
    path = str(tmp_path / "socket")
    clients = 5

    async def connect() -> None:
        async with await anyio.connect_unix(path) as client:
            assert await client.receive() == b"welcome"

    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as plain:
            plain.bind(path)
            plain.listen(0)
            with giambio.wrap_socket(plain) as listener:
                async with anyio.create_task_group() as group:
                    for _ in range(clients):
                        group.start_soon(connect)
                    await giambio.sleep(0.03)  # the subject: some are refused a few times
                    for _ in range(clients):
                        connection, _ = await listener.accept()
                        with connection:
                            await connection.send_all(b"welcome")

    run(main)


def test_the_end_of_a_stream_is_sent_in_a_cancelled_scope_as_well(run: Run) -> None:
    """As on AnyIO's own back ends; anycorn calls `aclose` behind it without a `finally`."""

    async def main() -> None:
        ours, other = socket.socketpair()
        with other:
            async with await abc.UNIXSocketStream.from_socket(ours) as stream:
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await stream.send_eof()
                other.settimeout(20)
                assert other.recv(1) == b""
                assert not scope.cancelled_caught

    run(main)


# -- what is missing -----------------------------------------------------------------------------


def test_without_sniffio_the_error_says_what_to_install() -> None:
    code = """
        import sys
        sys.modules["sniffio"] = None
        import giambio, anyio

        async def main():
            pass

        try:
            anyio.run(main, backend="giambio")
        except LookupError as exc:
            print(exc.__cause__)
    """
    (line,) = printed(code)
    assert "pip install 'giambio[anyio]'" in line
