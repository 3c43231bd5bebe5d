"""`send_file`: the data of a file on a stream, by `sendfile` and by reading."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import select
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.testing import wait_all_tasks_blocked
from support.files import disk_or_memory, drop_from_cache, forced_route  # noqa: F401  # fixtures
from support.net import half_wrapped, receive_to_the_end, wrapped
from support.tls import Certificates

pytestmark = pytest.mark.usefixtures("route")

Run = Callable[..., Any]

DATA = random.Random(1).randbytes(3_000_000)


@pytest.fixture
def path(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(DATA)
    return path


async def received(stream: giambio.ByteStream, send: Callable[[], Any]) -> tuple[int, bytes]:
    """What a call has sent on the stream's other end: its result, and what has come."""
    async with giambio.TaskManager() as manager:
        receiving = await manager.spawn(receive_to_the_end, stream)
        count = await send()
    return count, receiving.result()


async def sent(file: Any, *args: Any, kind: str = "IPv4", **options: Any) -> bytes:
    """What `send_file` sends on a socket."""
    ours, theirs = wrapped(kind)
    async with ours, theirs:

        async def send() -> int:
            count = await giambio.send_file(ours, file, *args, **options)
            await ours.send_eof()
            return count

        count, data = await received(theirs, send)
        assert count == len(data)
        return data


@pytest.mark.parametrize("kind", ["IPv4", "IPv6", "Unix"])
def test_a_whole_file(run: Run, path: Path, kind: str) -> None:
    """Rule 17.11: on each kind of socket."""

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await sent(file, kind=kind) == DATA

    run(main)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"offset": 1_000_000}, DATA[1_000_000:]),
        ({"count": 1_000_000}, DATA[:1_000_000]),
        ({"offset": 999_999, "count": 2}, DATA[999_999:1_000_001]),
        ({"offset": 2_999_999, "count": 5}, DATA[-1:]),
        ({"offset": 3_000_000}, b""),
        ({"offset": 5_000_000, "count": 1}, b""),
        ({"count": 0}, b""),
    ],
)
def test_a_part_of_a_file(run: Run, path: Path, options: Any, expected: bytes) -> None:
    """Rule 17.11: offset and count; less only at the end of the file."""

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await sent(file, **options) == expected
            assert await sent(file, *options.values()) == expected or len(options) == 1

    run(main)


@pytest.mark.parametrize("buffering", [-1, 0])
def test_files_of_python(run: Run, path: Path, buffering: int) -> None:
    """Rule 17.11: Python's own files, too; the position is neither used nor changed."""

    async def main() -> None:
        with open(path, "rb", buffering) as file:
            file.seek(7)
            assert await sent(file) == DATA
            assert file.tell() == 7
        with tempfile.NamedTemporaryFile() as temporary:
            temporary.write(b"hello")
            temporary.flush()
            assert await sent(temporary) == b"hello"

    run(main)


def test_the_position_of_a_file_is_neither_used_nor_changed(run: Run, path: Path) -> None:
    """Rule 17.11: several tasks may send the same file."""

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            await file.seek(7)
            results = await giambio.gather(*(sent(file, number) for number in range(3)))
            assert results == [DATA, DATA[1:], DATA[2:]]
            assert await file.tell() == 7
            assert await file.read(3) == DATA[7:10]

    run(main)


def test_what_was_written_is_sent(run: Run, place: Path) -> None:
    """Rule 17.11: also what the file has buffered."""

    async def main() -> None:
        async with await giambio.open_file(place / "new", "wb+") as file:
            await file.write(b"hello")
            assert await sent(file) == b"hello"

    run(main)


def test_the_system_moves_the_data(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    """Rule 17.11: what is in the page cache goes by `sendfile`."""
    moved: list[int] = []
    sendfile = os.sendfile

    def spy(*args: Any) -> int:
        count = sendfile(*args)
        moved.append(count)
        return count

    monkeypatch.setattr(os, "sendfile", spy)

    async def main() -> None:
        with open(path, "rb") as file:
            assert await sent(file) == DATA

    run(main)
    if in_cache(path) and route == "page cache":
        assert sum(moved) == len(DATA)


def in_cache(path: Path) -> bool:
    """Whether the system can tell that a file is in the page cache."""
    with open(path, "rb") as file:
        try:
            return os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT) == 1
        except OSError:
            return False


def test_a_file_that_is_not_in_the_page_cache(run: Run, path: Path) -> None:
    """Rule 17.11: it is read first, and does not hold up the loop."""
    drop_from_cache(path)

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await sent(file) == DATA

    run(main)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_where_the_system_cannot_do_it(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Rule 17.11: the data is read and sent."""

    def refuse(*args: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "sendfile", refuse)

    async def main() -> None:
        async with await giambio.open_file(path, "rb") as file:
            assert await sent(file) == DATA
            monkeypatch.delattr(os, "sendfile")
            assert await sent(file) == DATA

    run(main)


def test_a_disk_that_fails_in_the_middle(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    """Rule 5.9: what is missing cannot be hidden by what follows."""
    if route == "io_uring":
        pytest.skip("no test can make a read of io_uring fail")
    calls: list[int] = []
    sendfile, pread = os.sendfile, os.pread

    def fail(real: Any, *args: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(*args)

    monkeypatch.setattr(os, "sendfile", lambda *args: fail(sendfile, *args))
    monkeypatch.setattr(os, "pread", lambda *args: fail(pread, *args))

    async def main() -> None:
        ours, theirs = wrapped()
        async with ours, theirs, giambio.TaskManager() as manager:
            await manager.spawn(receive_to_the_end, theirs)
            with open(path, "rb") as file, pytest.raises(OSError, match="Input/out") as caught:
                await giambio.send_file(ours, file)
            assert caught.value.errno == errno.EIO
            with pytest.raises(giambio.BrokenResourceError, match="a part was sent"):
                await ours.send_all(b"more")
            ours.close()

    run(main)


def test_over_tls(run: Run, path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Rule 17.11: the data is read and encrypted."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))

    async def main() -> None:
        async def handler(stream: giambio.TLSStream) -> None:
            async with await giambio.open_file(path, "rb") as file:
                assert await giambio.send_file(stream, file, 1) == len(DATA) - 1

        async with giambio.TaskManager() as manager:
            (listener,) = await manager.start(
                lambda **status: giambio.serve_tcp(
                    handler, 0, host="127.0.0.1", tls=certificates.server(), **status
                )
            )
            connection = await giambio.connect_tcp(*listener.address)
            async with await giambio.start_tls(
                connection, certificates.client(), server_hostname="localhost"
            ) as client:
                assert await receive_to_the_end(client) == DATA[1:]
            manager.cancel()

    run(main)


def test_any_stream_will_do(run: Run, path: Path) -> None:
    """Rule 17.1: what is written for one works on every other."""

    async def main() -> None:
        ours, theirs = giambio.memory_stream_pair()

        async def send() -> int:
            async with await giambio.open_file(path, "rb") as file:
                count = await giambio.send_file(ours, file, 1, 100_000)
            await ours.send_eof()
            return count

        assert await received(theirs, send) == (100_000, DATA[1:100_001])

    run(main)


def test_cancelled_in_the_middle_nothing_can_follow(run: Run, path: Path) -> None:
    """Rules 5.8, 5.9: it may have happened in part, and further sends say so."""

    os.truncate(path, 100_000_000)  # more than the buffers hold

    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs:
            async with ours, await giambio.open_file(path, "rb") as file:
                async with giambio.TaskManager() as manager:
                    sending = await manager.spawn(giambio.send_file, ours, file)
                    while select.select([], [ours], [], 0)[1]:  # there is room for more
                        await wait_all_tasks_blocked()
                    sending.cancel()
                with pytest.raises(giambio.BrokenResourceError, match="a part was sent"):
                    await giambio.send_file(ours, file)
                with pytest.raises(giambio.BrokenResourceError, match="a part was sent"):
                    await ours.send_all(b"more")

    run(main)


def test_cancelled_before_it_begins_nothing_was_sent(run: Run, path: Path) -> None:
    """Rule 4.2: it has done nothing then."""

    async def main() -> None:
        ours, theirs = wrapped()
        async with ours, theirs, await giambio.open_file(path, "rb") as file:
            with giambio.CancelScope() as scope:
                scope.cancel()
                await giambio.send_file(ours, file)
            assert scope.cancelled_caught
            await ours.send_all(b"hello")
            assert await theirs.receive() == b"hello"

    run(main)


def test_a_peer_that_has_gone(run: Run, path: Path) -> None:
    """Rule 15.15: a `BrokenResourceError`."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        theirs.close()
        async with ours, await giambio.open_file(path, "rb") as file:
            with pytest.raises(giambio.BrokenResourceError):
                while True:
                    await giambio.send_file(ours, file)

    run(main)


def test_a_second_sender_is_refused(run: Run, path: Path) -> None:
    """Rule 15.16: one task may send at a time."""

    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs, open(path, "rb") as file:
            async with ours, giambio.TaskManager() as manager:

                async def send() -> None:
                    while True:
                        await giambio.send_file(ours, file)

                await manager.spawn(send)
                await wait_all_tasks_blocked(0.05)
                with pytest.raises(giambio.BusyResourceError):
                    await ours.send_all(b"more")
                manager.cancel()

    run(main)


def test_a_file_that_is_closed_or_cut_off_meanwhile(run: Run, path: Path) -> None:
    """Rule 17.11: it has a descriptor of its own, and ends where the file ends."""

    async def main() -> None:
        ours, theirs = wrapped()
        async with ours, theirs:
            file = await giambio.open_file(path, "rb")
            async with giambio.TaskManager() as manager:
                sending = await manager.spawn(giambio.send_file, ours, file)
                await theirs.receive()
                await file.close()
                os.truncate(path, 0)
                while not sending.done():
                    with giambio.move_on_after(0.01):
                        await theirs.receive()
            assert 0 < sending.result() <= len(DATA)

    run(main)


@pytest.mark.parametrize("what", ["text", "gzip", "memory", "closed", "wrapped", "a path"])
def test_what_is_no_binary_file_on_a_disk(run: Run, path: Path, what: str) -> None:
    """Rule 19.4: an object of another kind is a mistake, and named."""

    async def main() -> None:
        ours, theirs = wrapped()
        async with ours, theirs:
            if what == "closed":
                file = await giambio.open_file(path, "rb")
                await file.close()
                with pytest.raises(giambio.ClosedResourceError):
                    await giambio.send_file(ours, file)
                return
            with gzip.open(path.with_name("file.gz"), "wb") as packed, open(path) as text:
                files: dict[str, Any] = {
                    "text": text,
                    "gzip": packed,
                    "memory": io.BytesIO(DATA),
                    "wrapped": giambio.wrap_file(io.BytesIO(DATA)),
                    "a path": path,
                }
                with pytest.raises(TypeError, match=r"^send_file\(\) needs a binary file"):
                    await giambio.send_file(ours, files[what])

    run(main)


def test_what_is_no_stream(run: Run, path: Path) -> None:
    """Rules 19.1, 19.4."""

    async def main() -> None:
        async with giambio.open_file(path, "rb") as file:
            for wrong in (5, file.fileno(), giambio.BufferedStream):
                with pytest.raises(TypeError, match=r"^send_file\(\) needs a stream to send on"):
                    await giambio.send_file(wrong, file)  # type: ignore[arg-type]

    run(main)


def test_a_pipe_is_no_file(run: Run) -> None:
    """Rule 19.4: it has no offset."""

    async def main() -> None:
        ours, theirs = wrapped()
        reader, writer = os.pipe()
        with open(reader, "rb") as file, open(writer, "wb"):
            async with ours, theirs:
                with pytest.raises(ValueError, match=r"^send_file\(\) needs a file on a disk"):
                    await giambio.send_file(ours, file)

    run(main)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"offset": -1}, ValueError),
        ({"count": -1}, ValueError),
        ({"offset": 1.5}, TypeError),
        ({"count": "5"}, TypeError),
        ({"offset": None}, TypeError),
    ],
)
def test_offset_and_count_are_numbers_of_bytes(
    run: Run, path: Path, options: Any, error: type[Exception]
) -> None:
    """Rule 19.6: so is a number that is none."""

    async def main() -> None:
        ours, theirs = wrapped()
        async with ours, theirs:
            with open(path, "rb") as file, pytest.raises(error, match=r"^send_file\(\) needs"):
                await giambio.send_file(ours, file, **options)

    run(main)
