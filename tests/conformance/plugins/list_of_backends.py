"""Pytest plugin that puts giambio in Trio's place in AnyIO's list of back ends.

Tests are parametrised by that list when they are collected, so this has to be loaded before
AnyIO's own plugin.
"""

from typing import Any

import anyio._core._eventloop
import pytest

import giambio  # noqa: F401  (makes itself known to AnyIO)

anyio._core._eventloop.BACKENDS = ("asyncio", "giambio")


@pytest.fixture(autouse=True)
def programs_may_be_started(request: pytest.FixtureRequest) -> None:
    """Let giambio start programs, as BlockBuster lets asyncio: the system answers by a pipe.

    AnyIO's tests look for blocking calls where an asyncio loop runs, and giambio hosts one.
    """
    names = request.fixturenames  # AnyIO's own tests have it, and those that these run have not
    blockbuster: Any = request.getfixturevalue("blockbuster") if "blockbuster" in names else None
    if blockbuster is not None:
        read = blockbuster.functions["os.read"]
        read.can_block_in("giambio/processes/process.py", "launch")
        read.can_block_in("giambio/processes/worker_pool.py", "start")
