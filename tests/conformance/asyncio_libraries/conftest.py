"""What the tests of asyncio's libraries get: a world to run in, and servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.asyncio_libraries import servers
from conformance.asyncio_libraries.worlds import WORLDS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--world", action="append", choices=list(WORLDS), help="by default A and B")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" in metafunc.fixturenames:
        names = metafunc.config.getoption("world") or ["A", "B"]
        metafunc.parametrize("world", [WORLDS[name] for name in names], ids=names)


@pytest.fixture(autouse=True)
def nothing_left_open() -> None:
    """Some libraries keep a thread until the process ends; `World.run` looks at the rest."""


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    with servers.redis_server() as port:
        yield port


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    with servers.postgresql() as port:
        yield port


@pytest.fixture(scope="session")
def mqtt_port() -> Iterator[int]:
    with servers.mosquitto() as port:
        yield port
