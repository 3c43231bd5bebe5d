"""Pytest plugin that runs each asynchronous test on the back end named in the environment.

Libraries choose back ends in many ways: by AnyIO's list, by a fixture of their own that says
asyncio, by pytest-asyncio or pytest-trio. Here all of them get the same one, without a change
to the tests, and under the same names, so that two runs can be compared.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

import pytest

BACKEND = os.environ["CONFORMANCE_BACKEND"]
if BACKEND == "giambio":
    from giambio.testing import VirtualClock  # the import makes giambio known to AnyIO


def pytest_configure(config: pytest.Config) -> None:
    for marker in ("asyncio", "trio"):
        config.addinivalue_line("markers", f"{marker}: runs on the back end that is tested")
    set_default_of_test_client()


def set_default_of_test_client() -> None:
    """Let Starlette's `TestClient`, which most tests of FastAPI use, run its application here."""
    try:
        from starlette.testclient import TestClient
    except ImportError:
        return
    init: Any = TestClient.__init__
    parameters = inspect.signature(init).parameters.values()
    init.__defaults__ = tuple(
        BACKEND if parameter.name == "backend" else parameter.default
        for parameter in parameters
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.default is not parameter.empty
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> None:
    if collector.istestfunction(obj, name) and inspect.iscoroutinefunction(obj):
        pytest.mark.usefixtures("anyio_backend")(obj)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one of the tests that are parametrised by back ends: that for Trio."""
    deselected = [item for item in items if has_twin_for_trio(item)]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if item not in set(deselected)]


def has_twin_for_trio(item: Any) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if "anyio_backend" not in parameters or backend_name(parameters["anyio_backend"]) == "trio":
        return False
    fixtures = item._fixtureinfo.name2fixturedefs["anyio_backend"]
    return any(
        backend_name(value) == "trio" for fixture in fixtures for value in fixture.params or ()
    )


def backend_name(parameter: object) -> object:
    """Return the name in a parameter of `anyio_backend`: ``"trio"`` or ``("trio", options)``."""
    return parameter[0] if isinstance(parameter, tuple) else parameter


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> object:
    if fixturedef.argname != "anyio_backend":
        return None
    backend = backend_in_place_of(getattr(request, "param", None))
    fixturedef.cached_result = (backend, fixturedef.cache_key(request), None)
    return backend


def backend_in_place_of(parameter: object) -> object:
    """Return the back end that is tested, with a virtual clock where Trio was to have one."""
    options = parameter[1] if isinstance(parameter, tuple) else {}
    clock = options.get("clock")
    if clock is None:
        return BACKEND
    if BACKEND == "giambio":
        clock = VirtualClock(autojump_threshold=clock.autojump_threshold)
    return BACKEND, {"clock": clock}
