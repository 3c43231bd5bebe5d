"""A key-value store on three machines, which does not miss one of them.

    python replicated_store.py serve 7001 one.journal     # and 7002 with two, 7003 with three
    python replicated_store.py put colour blue
    python replicated_store.py get colour

Each value has a version. To write, ask a majority for the newest version, and send a newer one to
all replicas until a majority has it. To read, take the newest that a majority knows, and see to it
that a majority has it. Any two majorities have a replica in common (Attiya, Bar-Noy and Dolev,
"Sharing Memory Robustly in Message-Passing Systems", 1995). docs/simulation.md simulates it.
"""

import argparse
import functools
import json
import os
import sys
import uuid

import giambio

PORTS = [7001, 7002, 7003]
UNKNOWN = [[0, ""], None]
LOST = (OSError, giambio.BrokenResourceError, giambio.IncompleteRead)


async def replica(port, journal):
    """Keep values: one of the machines. What is written to `journal` must outlast a crash."""
    values = replayed(journal)
    writing = giambio.Lock()

    async def answer(stream):
        lines = giambio.BufferedStream(stream)
        async for line in lines:
            key, *new = json.loads(line)
            async with writing:
                if new > values.get(key, UNKNOWN):
                    await giambio.to_thread(journal.write, line.strip() + b"\n")
                    values[key] = new
            await lines.send_all(json.dumps(values.get(key, UNKNOWN)).encode() + b"\n")

    await giambio.serve_tcp(answer, port, host=None)


def replayed(journal):
    """Return what a journal says, and cut off a line that was never finished."""
    journal.seek(0)
    *lines, torn = journal.read().split(b"\n")
    journal.seek(-len(torn), os.SEEK_END)
    journal.truncate()
    return {key: new for key, *new in map(json.loads, lines)}


class Store:
    """What a client sees of the replicas, which are pairs of a host and a port."""

    def __init__(self, replicas):
        self.replicas = replicas

    async def put(self, key, value):
        (number, _), _ = max(await self.ask(key))
        await self.ask(key, [number + 1, uuid.uuid4().hex], value)

    async def get(self, key):
        version, value = max(await self.ask(key))
        await self.ask(key, version, value)  # else the next one may read an older value
        return value

    async def ask(self, *request):
        """Return what a majority of the replicas answers."""
        one = functools.partial(ask_replica, request)
        async with giambio.as_completed(one, self.replicas) as answers:
            return [await anext(answers) for _ in range(len(self.replicas) // 2 + 1)]


@giambio.retry(on=LOST, attempts=None, timeout=None, wait_jitter=0.1, wait_max=1)
async def ask_replica(request, address):
    """Ask a replica until it answers: it may be asked the same thing twice."""
    with giambio.fail_after(1):
        async with giambio.connect_tcp(*address) as stream:
            lines = giambio.BufferedStream(stream)
            await lines.send_all(json.dumps(request).encode() + b"\n")
            return json.loads(await lines.receive_until(b"\n", 65536))


def opened(path):
    """Open a journal: what is written to it is on the disk when `write` returns."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_DSYNC
    return open(os.open(path, flags, 0o600), "a+b", buffering=0)


async def main(options):
    if options.command == "serve":
        with opened(options.journal) as journal:
            await replica(options.port, journal)
    else:
        store = Store([("127.0.0.1", port) for port in options.ports])
        with giambio.fail_after(options.timeout):
            if options.command == "put":
                await store.put(options.key, options.value)
            else:
                print(await store.get(options.key))


def arguments():
    parser = argparse.ArgumentParser(description="A key-value store on three replicas.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="be a replica")
    serve.add_argument("port", metavar="PORT", type=int)
    serve.add_argument("journal", metavar="FILE")
    put, get = (commands.add_parser(name, help=f"{name} a value") for name in ("put", "get"))
    for command in (put, get):
        command.add_argument("key", metavar="KEY")
        command.add_argument("--ports", metavar="PORT", type=int, nargs="+", default=PORTS)
        command.add_argument("--timeout", metavar="SECONDS", type=float, default=10)
    put.add_argument("value", metavar="VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        giambio.run(main, arguments())
    except TimeoutError:
        sys.exit("no majority of the replicas has answered")
    except KeyboardInterrupt:
        sys.exit(130)
