"""A chat by WebSocket: python websocket_chat.py 8080, and then in a browser's console:

    chat = new WebSocket("ws://127.0.0.1:8080"); chat.onmessage = (event) => console.log(event.data)
    chat.send("hello")

WebSockets by wsproto. Who reads too slowly is disconnected, and holds nobody up. It needs:
python -m pip install wsproto
"""

import argparse
import functools
import signal

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

import giambio

PATIENCE = 10  # seconds, for a client to take a message
LONGEST = 10_000  # characters of a message
BEHIND = 100  # messages that a client may be behind the others


class WebSocket:
    """A WebSocket over a stream, the server's end."""

    def __init__(self, stream):
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.SERVER)
        self.sending = giambio.Lock()  # two tasks do: one passes messages on, one answers pings

    async def send(self, event):
        async with self.sending:
            data = self.protocol.send(event)
            with giambio.fail_after(PATIENCE):
                await self.stream.send_all(data)

    async def receive(self):
        """The next event; the last one is a `CloseConnection`, also if the client just hangs up."""
        while True:
            for event in self.protocol.events():
                return event
            data = None
            with giambio.cancel_on_stop():  # a client that says nothing need not be waited for
                data = await self.stream.receive()
            if data is None:
                return CloseConnection(code=CloseReason.GOING_AWAY)
            if not data:
                return CloseConnection(code=CloseReason.ABNORMAL_CLOSURE)
            self.protocol.receive_data(data)


async def tell(client, news):
    async for text in news:
        await client.send(TextMessage(data=text))


async def listen(client, room):
    """Pass on what a client says, until it says goodbye or something that is refused."""
    said = ""
    while not isinstance(event := await client.receive(), CloseConnection):
        if isinstance(event, Ping):
            await client.send(event.response())
        elif isinstance(event, BytesMessage):
            return CloseConnection(code=CloseReason.UNSUPPORTED_DATA)
        elif isinstance(event, TextMessage):
            said += event.data
            if len(said) > LONGEST:
                return CloseConnection(code=CloseReason.MESSAGE_TOO_BIG)
            if event.message_finished:
                await room.send(said)
                said = ""
    return event.response()


async def chat(room, stream):
    client = WebSocket(stream)
    try:
        if not isinstance(await client.receive(), Request):
            return
        with room.subscribe(overflow="disconnect") as news:
            await client.send(AcceptConnection())
            async with giambio.TaskManager() as manager:
                manager.start_soon(tell, client, news)
                goodbye = await listen(client, room)
                manager.cancel()
        await client.send(goodbye)
    except RemoteProtocolError as error:
        if error.event_hint is not None:
            await client.send(error.event_hint)
    except TimeoutError:
        pass  # nobody reads there any more


async def main(port):
    with giambio.Broadcast(BEHIND) as room:
        print(f"serving ws://127.0.0.1:{port}", flush=True)
        await giambio.serve_tcp(functools.partial(chat, room), port)
    print("stopped")


parser = argparse.ArgumentParser(description="Serve a chat room by WebSocket.")
parser.add_argument("port", metavar="PORT", type=int)
stop = [signal.SIGINT, signal.SIGTERM]
giambio.run(main, parser.parse_args().port, stop_signals=stop)
