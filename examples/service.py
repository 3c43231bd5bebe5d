"""A service that ends well: python service.py 8080, and then kill it

Told to stop by SIGTERM, it takes no more connections, closes those that are idle, answers the
requests that it has begun, for up to ten seconds, and exits with 0.
"""

import argparse
import signal

import giambio


async def handler(stream):
    lines = giambio.BufferedStream(stream)
    while True:
        request = b""
        with giambio.cancel_on_stop():  # a client that asks for nothing need not be waited for
            request = await lines.receive_line()
        if not request:
            break
        await stream.send_all(b"working on " + request)
        await giambio.sleep(0.5)
        await stream.send_all(b"done\n")


async def main(port):
    await giambio.serve_tcp(handler, port)
    print("stopped")


parser = argparse.ArgumentParser(description="Serve until SIGTERM, and then end well.")
parser.add_argument("port", metavar="PORT", type=int)
giambio.run(main, parser.parse_args().port, stop_signals=[signal.SIGTERM], grace=10)
