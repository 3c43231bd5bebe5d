import giambio


async def echo(stream):
    while data := await stream.receive():
        await stream.send_all(data)


async def main():
    await giambio.serve_tcp(echo, port=8080)  # for this machine; host=None is for all


giambio.run(main)
