"""Fetches a page by HTTP/1.1: python http_client.py [--timeout SECONDS] URL

The page goes to stdout, what the server says about it to stderr. HTTP by h11, and TLS that is
verified. It needs: python -m pip install h11
"""

import argparse
import sys
from urllib.parse import quote, urlsplit

import h11

import giambio


async def fetch(url, output):
    """Write the page at a URL to a stream, and return the status."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = h11.Request(
        method="GET",
        target=quote(target, safe="/%?&=:;,@!$'()*+~[]"),
        headers=[("Host", parts.netloc.rpartition("@")[2]), ("Connection", "close")],
    )
    http = h11.Connection(h11.CLIENT)
    port = parts.port or (443 if secure else 80)
    async with giambio.connect_tcp(parts.hostname, port, tls=secure) as stream:
        await stream.send_all(http.send(request) + http.send(h11.EndOfMessage()))
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive())
            elif isinstance(event, h11.Response):
                status = event.status_code
                print(status, event.reason.decode("latin-1"), file=sys.stderr)
                for name, value in event.headers:
                    print(f"{name.decode()}: {value.decode('latin-1')}", file=sys.stderr)
            elif isinstance(event, h11.Data):
                await output.write(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status


async def main(url, timeout):
    with giambio.fail_after(timeout):
        return await fetch(url, giambio.stdout("wb"))


parser = argparse.ArgumentParser(description="Fetch a page.")
parser.add_argument("url", metavar="URL")
parser.add_argument("--timeout", type=float, default=30, help="seconds for all of it; 30")
options = parser.parse_args()
if urlsplit(options.url).scheme not in ("http", "https") or not urlsplit(options.url).hostname:
    parser.error(f"not a URL of http or https: {options.url}")
try:
    status = giambio.run(main, options.url, options.timeout)
except TimeoutError:
    sys.exit(f"{options.url}: no answer within {options.timeout:g} seconds")
except (OSError, h11.ProtocolError) as error:
    sys.exit(f"{options.url}: {error}")
except KeyboardInterrupt:
    sys.exit(130)
sys.exit(status >= 400)
