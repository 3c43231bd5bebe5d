"""A small ASGI server: python asgi_server.py [--host HOST] [--port PORT] [MODULE:APP]

HTTP/1.1 by h11, with keep-alive, streaming both ways, timeouts and the lifespan protocol. It
serves a Starlette application of its own, or any other, and when it is told to stop (SIGTERM,
Ctrl-C) it finishes what it has begun. It is an example, to be read; what is deployed is better
served by `python -m giambio serve app:app --workers 4`, see docs/serving.md. It needs:
python -m pip install 'giambio[anyio]' h11 starlette
"""

import argparse
import functools
import importlib
import logging
import signal
import sys
from email.utils import formatdate
from urllib.parse import unquote_to_bytes

import h11

import giambio

IDLE = 30  # seconds for a client to send its next request, or to go on with one
GRACE = 10  # seconds for requests that have begun when the server is stopped
LAST = 5  # seconds for the application after that
CHUNK = 65536

ASGI = {"version": "3.0", "spec_version": "2.4"}
log = logging.getLogger("asgi_server")


class Connection:
    """HTTP/1.1 over a stream."""

    def __init__(self, stream):
        self.stream = stream
        self.http = h11.Connection(h11.SERVER)
        self.broken = False

    async def next_event(self):
        """What the client says next; h11.PAUSED if it has said all it may."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            if self.http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            await self.read()
        return event

    async def read(self, seconds=IDLE):
        try:
            with giambio.fail_after(seconds):
                self.http.receive_data(await self.stream.receive(CHUNK))
        except OSError:  # a timeout is one as well
            self.broken = True
            raise

    async def send(self, event):
        try:
            with giambio.fail_after(IDLE):
                await self.stream.send_all(self.http.send(event))
        except OSError:
            self.broken = True
            raise

    async def until_gone(self):
        """Wait for the client to leave; what it sends meanwhile is its next request."""
        while not self.http.trailing_data[0]:
            await self.read(seconds=float("inf"))
            if self.http.trailing_data[1]:  # the end of the stream
                return
        await giambio.sleep_forever()


class Exchange:
    """A request and its response, as an application sees them."""

    def __init__(self, connection, request):
        self.connection = connection
        self.request = request
        self.response = None
        self.received = self.begun = False
        self.ended = giambio.Event()

    def scope(self, state):
        path, _, query = self.request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": self.request.http_version.decode(),
            "method": self.request.method.decode(),
            "scheme": "http",
            "path": unquote_to_bytes(path).decode(errors="replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(self.request.headers),
            "client": self.connection.stream.getpeername()[:2],
            "server": self.connection.stream.getsockname()[:2],
            "state": state.copy(),
        }

    async def receive(self):
        try:
            if self.received:
                await giambio.race(self.ended.wait(), self.connection.until_gone())
                return {"type": "http.disconnect"}
            event = await self.connection.next_event()
        except OSError:
            return {"type": "http.disconnect"}
        if type(event) is h11.Data:
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        self.received = True
        if type(event) is h11.ConnectionClosed:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message):
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"date", formatdate(usegmt=True))]
            self.response = h11.Response(status_code=message["status"], headers=headers)
            return
        if not self.begun:
            self.begun = True
            await self.connection.send(self.response)
        if (body := message.get("body")) and self.request.method != b"HEAD":
            await self.connection.send(h11.Data(data=body))
        if not message.get("more_body"):
            await self.connection.send(h11.EndOfMessage())
            self.ended.set()

    async def answer(self, status):
        """Answer without the application."""
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body"})


class Server:
    """An application, served to any number of clients."""

    def __init__(self, app):
        self.app = app
        self.state = {}
        self.ended = giambio.Event()

    async def serve_client(self, stream):
        connection = Connection(stream)
        http = connection.http
        try:
            while type(request := await self.next_request(connection)) is h11.Request:
                await self.serve_request(Exchange(connection, request))
                with giambio.move_on_after(1):  # a rest of the body, before the next request
                    while http.their_state is h11.SEND_BODY:
                        await connection.next_event()
                if not http.our_state is http.their_state is h11.DONE:
                    break
                http.start_next_cycle()
        except h11.RemoteProtocolError as exc:
            if http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                nobody = h11.Request(method="GET", target="/", headers=[("host", "")])
                await Exchange(connection, nobody).answer(exc.error_status_hint)
        except TimeoutError:
            pass

    async def next_request(self, connection):
        """The next request, None if there is to be none."""
        with giambio.cancel_on_stop():
            return await connection.next_event()

    async def serve_request(self, exchange):
        try:
            await self.app(exchange.scope(self.state), exchange.receive, exchange.send)
            if not exchange.ended.is_set():
                raise RuntimeError("the application did not finish its response")
        except h11.RemoteProtocolError:
            raise
        except Exception:
            if exchange.connection.broken:
                return
            log.exception("%s failed", exchange.request.target.decode())
            if not exchange.begun:
                await exchange.answer(500)

    async def lifespan(self, task_status):
        """Let the application begin, and end; those that have nothing to do then raise."""
        messages = ["lifespan.startup"]
        started = False

        async def receive():
            if messages:
                return {"type": messages.pop()}
            await self.ended.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message):
            nonlocal started
            if message["type"].endswith(".failed"):
                sys.exit(message.get("message") or message["type"])
            if message["type"] == "lifespan.startup.complete":
                started = True
                task_status.started()

        scope = {"type": "lifespan", "asgi": ASGI, "state": self.state}
        try:
            await self.app(scope, receive, send)
        except Exception:
            if started:
                raise
        if not started:
            task_status.started()

    async def run(self, host, port):
        async with giambio.TaskManager() as living:
            await living.start(self.lifespan)
            async with giambio.TaskManager() as manager:
                manager.start_soon(giambio.serve_tcp, self.serve_client, port, host=host)
                await giambio.wait_stopping()
                manager.stop(grace=GRACE)  # the rest is the application's, to come to its end
            self.ended.set()


def demo():
    """An application."""
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    async def hello(request):
        name = request.path_params.get("name", "world")
        later = BackgroundTask(log.info, "said hello to %s", name)
        return PlainTextResponse(f"Hello, {name}!\n", background=later)

    async def count(request):
        async def numbers():
            for number in range(request.path_params["number"]):
                yield f"{number}\n"
                await giambio.sleep(0.1)

        return StreamingResponse(numbers(), media_type="text/plain")

    async def shout(request):
        async def upper():
            async for piece in request.stream():
                yield piece.upper()

        return StreamingResponse(upper(), media_type="text/plain")

    return Starlette(
        routes=[
            Route("/", hello),
            Route("/hello/{name}", hello),
            Route("/count/{number:int}", count),
            Route("/shout", shout, methods=["POST"]),
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve an ASGI application over HTTP/1.1.")
    parser.add_argument("app", metavar="MODULE:APP", nargs="?", help="instead of the demo")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    if options.app is None:
        app = demo()
    else:
        sys.path.insert(0, "")
        module, _, name = options.app.partition(":")
        app = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    giambio.run(
        Server(app).run,
        options.host,
        options.port,
        stop_signals=[signal.SIGTERM, signal.SIGINT],
        grace=GRACE + LAST,
    )
