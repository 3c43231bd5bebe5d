"""Passes connections on to another server: python tcp_proxy.py 8080 example.com 80"""

import argparse
import functools
import sys

import giambio


async def copy(source, target):
    while data := await source.receive():
        await target.send_all(data)
    await target.send_eof()


async def proxy(host, port, client):
    try:
        server = await giambio.connect_tcp(host, port)
    except OSError as error:
        return print(f"{host}, port {port}: {error}", file=sys.stderr)
    async with server, giambio.TaskManager() as manager:
        manager.start_soon(copy, client, server)
        manager.start_soon(copy, server, client)


parser = argparse.ArgumentParser(description="Pass connections on to another server.")
parser.add_argument("listen", metavar="LISTEN", type=int, help="the port to serve")
parser.add_argument("host", metavar="HOST")
parser.add_argument("port", metavar="PORT", type=int)
options = parser.parse_args()
handler = functools.partial(proxy, options.host, options.port)
giambio.run(giambio.serve_tcp, handler, options.listen)
