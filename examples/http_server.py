"""Serves a folder by HTTP/1.1: python http_server.py 8080 [FOLDER]

HTTP by h11, with keep-alive and a limit to how long a client may take. Told to stop by SIGTERM
or Ctrl-C, it ends the answers that it has begun, and does not wait for idle connections. It needs:
python -m pip install h11
"""

import argparse
import functools
import mimetypes
import os
import signal
from http import HTTPStatus
from urllib.parse import unquote

import h11

import giambio

PATIENCE = 30  # seconds for a client to ask, or to take a piece of the answer
GRACE = 5  # seconds for the answers that have begun when the server is stopped
CHUNK = 65536


class Connection:
    """HTTP/1.1 over a stream."""

    def __init__(self, stream):
        self.stream = stream
        self.http = h11.Connection(h11.SERVER)
        self.with_body = True

    async def receive(self):
        with giambio.fail_after(PATIENCE):
            while (event := self.http.next_event()) is h11.NEED_DATA:
                self.http.receive_data(await self.stream.receive(CHUNK))
        return event

    async def next_request(self):
        """The next request; None if there is to be none, because the server is stopped."""
        with giambio.cancel_on_stop():
            return await self.receive()

    async def send(self, event):
        data = self.http.send(event)
        with giambio.fail_after(PATIENCE):
            await self.stream.send_all(data)

    async def send_head(self, status, headers):
        reason = status.phrase.encode()
        await self.send(h11.Response(status_code=status, reason=reason, headers=headers))

    async def send_body(self, data):
        if self.with_body:
            await self.send(h11.Data(data=data))

    async def send_status(self, status, *headers):
        body = b"%d %s\n" % (status, status.phrase.encode())
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers]
        await self.send_head(status, headers)
        await self.send_body(body)
        await self.send(h11.EndOfMessage())


async def find(folder, target):
    """The path of the file that a request means: in the folder, wherever links may lead."""
    path = folder / unquote(target.decode("ascii").partition("?")[0]).lstrip("/")
    if await path.is_dir():
        path /= "index.html"
    path = await path.resolve(strict=True)
    if not path.is_relative_to(folder) or not await path.is_file():
        raise FileNotFoundError(path)
    return path


async def answer(connection, folder, request):
    connection.with_body = request.method != b"HEAD"
    if request.method not in (b"GET", b"HEAD"):
        return await connection.send_status(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, HEAD"))
    try:
        path = await find(folder, request.target)
        file = await giambio.open_file(path, "rb")
    except (OSError, ValueError):  # ValueError: there is a NUL in it
        return await connection.send_status(HTTPStatus.NOT_FOUND)
    async with file:
        await send_file(connection, path.name, file)


async def send_file(connection, name, file):
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    left = os.fstat(file.fileno()).st_size
    headers = [("Content-Type", kind), ("Content-Length", str(left))]
    await connection.send_head(HTTPStatus.OK, headers)
    while connection.with_body and left and (data := await file.read(min(left, CHUNK))):
        await connection.send_body(data)
        left -= len(data)
    await connection.send(h11.EndOfMessage())


async def handle(folder, stream):
    connection = Connection(stream)
    try:
        while isinstance(request := await connection.next_request(), h11.Request):
            print(request.method.decode(), request.target.decode(), flush=True)
            await answer(connection, folder, request)
            if connection.http.they_are_waiting_for_100_continue:
                break
            while connection.http.their_state is h11.SEND_BODY:
                await connection.receive()  # what came with the request, and nobody asked for
            if connection.http.our_state is not h11.DONE:
                break
            connection.http.start_next_cycle()
    except TimeoutError:
        pass  # whoever takes that long has gone
    except h11.RemoteProtocolError as error:
        if connection.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await connection.send_status(HTTPStatus(error.error_status_hint))


async def main(port, folder):
    folder = await giambio.Path(folder).resolve(strict=True)
    print(f"serving {folder} on http://127.0.0.1:{port}/", flush=True)
    handler = functools.partial(handle, folder)
    await giambio.serve_tcp(handler, port, host="127.0.0.1")
    print("stopped")


parser = argparse.ArgumentParser(description="Serve a folder by HTTP.")
parser.add_argument("port", metavar="PORT", type=int)
parser.add_argument("folder", metavar="FOLDER", nargs="?", default=".")
options = parser.parse_args()
signals = [signal.SIGINT, signal.SIGTERM]
giambio.run(main, options.port, options.folder, stop_signals=signals, grace=GRACE)
