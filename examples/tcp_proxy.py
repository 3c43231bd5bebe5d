"""Passes connections on to another server: python tcp_proxy.py 8080 example.com 80"""

import functools
import sys

import giambio


async def copy(source, target):
    while data := await source.receive():
        await target.send_all(data)
    await target.send_eof()


async def proxy(host, port, client):
    async with await giambio.connect_tcp(host, port) as server, giambio.TaskManager() as manager:
        manager.start_soon(copy, client, server)
        manager.start_soon(copy, server, client)


listen_port, host, port = sys.argv[1:]
giambio.run(giambio.serve_tcp, functools.partial(proxy, host, int(port)), int(listen_port))
