"""What one says, all read: python chat_server.py 8080, and then telnet localhost 8080"""

import argparse
import functools

import giambio

PATIENCE = 10  # seconds, for somebody who does not read


async def tell(stream, news):
    async for line in news:
        with giambio.move_on_after(PATIENCE) as scope:
            await stream.send_all(line)
        if scope.cancelled_caught:
            stream.close()


async def talk(room, name, lines, stream):
    with room.subscribe(overflow="disconnect") as news:  # nobody waits for the slowest
        async with giambio.TaskManager() as manager:
            manager.start_soon(tell, stream, news)
            await room.send(b"* %s is here\n" % name)
            async for line in lines:
                await room.send(b"%s: %s\n" % (name, line.strip()))
            manager.cancel()


async def chat(room, stream):
    await stream.send_all(b"Your name? ")
    lines = giambio.BufferedStream(stream)
    try:
        if name := (await lines.receive_line()).strip():
            try:
                await talk(room, name, lines, stream)
            finally:
                await room.send(b"* %s has left\n" % name)
    except giambio.DelimiterNotFound:
        await stream.send_all(b"* that line is too long\n")


async def main(port):
    with giambio.Broadcast(100) as room:
        await giambio.serve_tcp(functools.partial(chat, room), port)


parser = argparse.ArgumentParser(description="Serve a chat room.")
parser.add_argument("port", metavar="PORT", type=int)
giambio.run(main, parser.parse_args().port)
