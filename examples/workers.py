"""A service on all cores: python workers.py 8080

Each worker answers every line with the time that it has last heard of. A supervised task asks for
it again and again; it fails now and then, as what asks others does, and begins anew. Ended workers
are replaced. Tell it to reload by SIGHUP, and to end by SIGTERM or Ctrl-C.
"""

import argparse
import os
import random
import time

import giambio

heard = "early"


async def ask_for_the_time():
    global heard
    async for _ in giambio.interval(0.1):
        heard = time.strftime("%X")
        if random.random() < 0.1:
            raise ConnectionError("nobody answers")  # it begins anew, see below


async def handler(stream):
    lines = giambio.BufferedStream(stream)
    while True:
        request = b""
        with giambio.cancel_on_stop():
            request = await lines.receive_line()
        if not request:
            break
        await stream.send_all(f"worker {os.getpid()} says it is {heard}\n".encode())


async def main():
    backoff = giambio.Backoff(initial=0.1, maximum=5)
    async with giambio.Supervisor(
        max_restarts=None, backoff=backoff, on_restart=lambda *_: None
    ) as supervisor:
        supervisor.start_soon(ask_for_the_time)
        await giambio.serve_listeners(handler, giambio.inherited_listeners())
        supervisor.cancel()


if __name__ == "__main__":  # each worker imports this file, and runs `main`
    parser = argparse.ArgumentParser(description="Serve on all cores.")
    parser.add_argument("port", metavar="PORT", type=int)
    parser.add_argument("--workers", metavar="N", type=int, help="default: one per CPU")
    options = parser.parse_args()
    giambio.run_workers(
        "workers:main",
        listeners=[f"tcp://127.0.0.1:{options.port}"],
        workers=options.workers,
    )
