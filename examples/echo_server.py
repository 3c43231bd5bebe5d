import socket

import giambio


async def echo(sock, address):
    with sock:
        try:
            while data := await sock.receive():
                await sock.send_all(data)
        except giambio.BrokenResourceError:
            pass  # this client has reset its connection; the others are served on


async def main():
    listener = giambio.wrap_socket(socket.create_server(("127.0.0.1", 8080)))
    async with listener, giambio.TaskManager() as manager:
        while True:
            manager.start_soon(echo, *await listener.accept())


giambio.run(main)
