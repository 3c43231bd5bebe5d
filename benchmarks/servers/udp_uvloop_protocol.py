"""uvloop with a `DatagramProtocol`."""

from __future__ import annotations

from importlib.metadata import version

import uvloop

from _datagrams import main

uvloop.run(main(f"uvloop {version('uvloop')}"))
