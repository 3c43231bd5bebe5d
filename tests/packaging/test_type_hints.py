"""Signatures of the public API can be evaluated at run time."""

from __future__ import annotations

import concurrent.futures
import inspect
import ssl
import typing
from collections.abc import Iterator
from typing import Any

import pytest

import giambio

pytestmark = pytest.mark.skipif(
    giambio.build_info().build != "pure",
    reason="a compiled module has no names for the compiled classes that it imports",
)

#: The names in annotations of which giambio imports the module when it is needed, as each costs
#: more than giambio itself.
NOT_IMPORTED = {
    "AsyncSocket": giambio.AsyncSocket,
    "Future": concurrent.futures.Future,
    "TLSStream": giambio.TLSStream,
    "ssl": ssl,
}


def public_callables() -> Iterator[tuple[str, Any]]:
    """Yield what one can call in `giambio`: functions, classes, and the methods of classes."""
    for name in giambio.__all__:
        value = getattr(giambio, name)
        yield name, value
        if inspect.isclass(value):
            for attribute in dir(value):
                if not attribute.startswith("_"):
                    yield f"{name}.{attribute}", getattr(value, attribute)


@pytest.mark.parametrize(
    "function",
    [pytest.param(value, id=name) for name, value in public_callables() if callable(value)],
)
def test_the_types_of_a_signature_exist_at_run_time(function: Any) -> None:
    typing.get_type_hints(function, localns=NOT_IMPORTED)
