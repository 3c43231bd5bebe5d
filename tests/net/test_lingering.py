"""Lingering close: an answer is received although the rest of the request was not read."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.testing import VirtualClock
from support.net import outcome, wrapped
from support.tls import Certificates

Run = Callable[..., Any]

#: More than the buffers of both sides hold.
UPLOAD = bytes(8_000_000)
ANSWER = b"413 too large" + bytes(50_000)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def refuse(stream: giambio.ByteStream) -> None:
    """Answer before the request was read."""
    await stream.receive(10)
    await stream.send_all(ANSWER)


async def upload(stream: giambio.ByteStream) -> bytes:
    """Send a large request, and read the answer only afterwards."""
    await outcome(lambda: stream.send_all(UPLOAD))
    data = b""
    while piece := await stream.receive():
        data += piece
    return data


async def started(manager: giambio.TaskManager, handler: Any, **options: Any) -> Any:
    """Start a server; its address."""
    (listener,) = await manager.start(
        lambda **status: giambio.serve_tcp(handler, 0, host="127.0.0.1", **options, **status)
    )
    return listener.address


def test_a_server_that_closes_with_unread_input_does_not_reset(run: Run) -> None:
    """Rule 16.19: the other side receives all that was sent, and the end."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            address = await started(manager, refuse)
            async with await giambio.connect_tcp(*address) as client:
                assert await upload(client) == ANSWER
            manager.cancel()

    run(main)


def test_neither_does_one_that_speaks_tls(run: Run, certificates: Certificates) -> None:
    """Rule 16.19: TLS 1.3 ends one direction alone."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            address = await started(manager, refuse, tls=certificates.server())
            connection = await giambio.connect_tcp(*address)
            async with await giambio.start_tls(
                connection, certificates.client(), server_hostname="localhost"
            ) as client:
                assert await upload(client) == ANSWER
            manager.cancel()

    run(main)


def test_tls_that_cannot_end_one_direction_is_closed(run: Run, certificates: Certificates) -> None:
    """Rule 16.19: before TLS 1.3."""
    context = certificates.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            address = await started(manager, giambio.lingering_close, tls=certificates.server())
            connection = await giambio.connect_tcp(*address)
            async with await giambio.start_tls(
                connection, context, server_hostname="localhost"
            ) as client:
                assert await client.receive() == b""
            manager.cancel()

    run(main)


def test_without_unread_input_it_closes_at_once(run: Run) -> None:
    """Rule 16.19: an idle client is not waited for."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            address = await started(manager, refuse)
            async with await giambio.connect_tcp(*address) as client:
                await client.send_all(b"a request")
                while await client.receive():
                    pass
                manager.stop(grace=5)
        assert giambio.current_time() == 0

    run(main, clock=VirtualClock())


def test_a_client_that_neither_sends_nor_ends_is_given_up(run: Run) -> None:
    """Rule 16.19: after 5 seconds."""
    served: list[float] = []

    async def serve(*, task_status: Any) -> None:
        await giambio.serve_tcp(refuse, 0, host="127.0.0.1", task_status=task_status)
        served.append(giambio.current_time())

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            (listener,) = await manager.start(serve)
            address = listener.address
            async with await giambio.connect_tcp(*address) as client:
                await client.send_all(b"a request with a rest")
                while await client.receive():
                    pass
                assert giambio.current_time() == 0
                manager.stop(grace=100)
                await giambio.sleep(50)
        assert served == [5]

    run(main, clock=VirtualClock())


def test_a_client_that_goes_on_and_on_is_given_up(run: Run) -> None:
    """Rule 16.19: after 30 seconds."""

    async def trickle(stream: giambio.AsyncSocket) -> None:
        while True:
            await giambio.sleep(3)
            await stream.send_all(b"more")

    async def main() -> None:
        ours, theirs = wrapped()
        async with ours, giambio.TaskManager() as manager:
            await manager.spawn(outcome, lambda: trickle(ours))
            await giambio.lingering_close(theirs)
            assert giambio.current_time() == 30
            manager.cancel()

    run(main, clock=VirtualClock())


def test_cancelled_it_closes_at_once(run: Run) -> None:
    """Rule 5.13: closing releases the descriptor, also in a cancelled scope."""

    async def main() -> None:
        ours, theirs = wrapped()
        async with ours:
            with giambio.move_on_after(1) as scope:
                await giambio.lingering_close(theirs)
            assert scope.cancelled_caught
            assert giambio.current_time() == 1
            assert theirs.fileno() == -1
            assert await ours.receive() == b""

    run(main, clock=VirtualClock())


@pytest.mark.parametrize("state", ["closed", "reset", "ended"])
def test_a_connection_that_has_gone_already_is_only_closed(run: Run, state: str) -> None:
    """Rule 16.19: errors of the connection are none here."""

    async def main() -> None:
        ours, theirs = wrapped()
        if state == "closed":
            theirs.close()
        elif state == "reset":
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        ours.close()
        await giambio.lingering_close(theirs)
        assert theirs.fileno() == -1
        assert giambio.current_time() == 0

    run(main, clock=VirtualClock())


def test_it_works_on_any_stream(run: Run) -> None:
    """Rule 17.1: what is written for one works on every other."""

    async def main() -> None:
        ours, theirs = giambio.memory_stream_pair()
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.lingering_close, theirs)
            await ours.send_all(b"unread")
            assert await ours.receive() == b""
            await ours.close()
        with pytest.raises(giambio.ClosedResourceError):
            await theirs.receive()

    run(main)


def test_what_is_no_stream_is_an_error(run: Run) -> None:
    """Rules 19.1, 19.4."""

    async def main() -> None:
        for wrong in (5, giambio.Event(), socket.socket):
            with pytest.raises(TypeError, match=r"^lingering_close\(\) needs a ByteStream"):
                await giambio.lingering_close(wrong)  # type: ignore[arg-type]

    run(main)
