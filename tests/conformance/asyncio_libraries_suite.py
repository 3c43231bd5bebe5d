"""Libraries of asyncio's, on giambio's loop and inside giambio, against real servers.

The tests are in ``asyncio_libraries/``. Each runs as A, asyncio's program on giambio's loop, and as
B, giambio's program that awaits what the library offers. Nothing is skipped: a library or a server
that is missing is an error.

    python tests/conformance/asyncio_libraries_suite.py
    python tests/conformance/asyncio_libraries_suite.py --install      # first gets the libraries
    python tests/conformance/asyncio_libraries_suite.py -k asyncpg --world=B

All other arguments go to pytest. The servers are Debian's packages ``redis-server``, ``postgresql``
and ``mosquitto``. It needs giambio in the environment that runs it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent / "asyncio_libraries"
LIBRARIES = (
    *("aiohttp==3.14.5", "aiomqtt==2.5.1", "aiosqlite==0.22.1", "asyncpg==0.32.0"),
    *("fastapi==0.165.0", "grpcio==1.85.3", "httpx==0.28.1", "hypercorn==0.18.0"),
    *("psycopg[binary]==3.3.9", "redis==8.1.0", "sqlalchemy[asyncio]==2.1.9"),
    *("uvicorn[standard]==0.54.0", "websockets==17.4"),
)
NEEDED = ("hypothesis", "pytest>=9.1,<9.2", "trustme")


def main() -> int:
    """Run the tests.

    Returns:
        The exit code: 0 if all have passed.
    """
    arguments = sys.argv[1:]
    if "--install" in arguments:
        arguments.remove("--install")
        pip = [sys.executable, "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *LIBRARIES, *NEEDED], check=True)
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    # The names keep them out of the suite that everybody runs.
    tests = ["-o", "python_files=library_*.py", str(TESTS)]
    return subprocess.run([*pytest, *tests, *arguments]).returncode


if __name__ == "__main__":
    sys.exit(main())
