"""Checks of the targets and items that users pass: a mistake is an error at the call.

Rejected coroutines are closed, so that they do not warn a second time.
"""

from __future__ import annotations

import types
from typing import Any

from giambio.kernel.coroutines import discard
from giambio.kernel.introspect import is_awaitable

__all__ = ["check_function", "check_given", "check_items"]


def check_given(what: str, targets: tuple[Any, ...]) -> None:
    """Raise unless each target can be awaited or called.

    Raises:
        TypeError: one cannot.
    """
    for target in targets:
        if not callable(target) and not is_awaitable(target):
            for other in targets:
                discard_all(other)
            hint = f"; write {what[:-1]}*them)" if hasattr(target, "__iter__") else ""
            raise TypeError(
                f"{what} takes awaitables and async functions, one by one, not {target!r}{hint}"
            )


def check_function(what: str, function: Any, example: str) -> None:
    """Raise unless `function` can be called with an item.

    Raises:
        TypeError: it cannot; the message shows an example.
    """
    if not callable(function) or is_awaitable(function):
        discard_all(function)  # asyncio's form: as_completed([fetch(url), ...])
        raise TypeError(
            f"{what} needs an async function, and the items to call it with, not {function!r}; "
            f"write {example}"
        )


def check_items(what: str, items: Any) -> None:
    """Raise unless `items` can be iterated over.

    Raises:
        TypeError: it cannot.
    """
    if any(hasattr(type(items), name) for name in ("__aiter__", "__iter__", "__getitem__")):
        return
    hint = "; await it first" if is_awaitable(items) else ""
    discard_all(items)
    raise TypeError(f"{what} needs an iterable or an async iterable of items, not {items!r}{hint}")


def discard_all(given: object) -> None:
    """Close coroutines that will not run, also in a list passed by mistake."""
    for target in given if isinstance(given, list | tuple | set | frozenset) else (given,):
        if isinstance(target, types.CoroutineType) or is_awaitable(target):
            discard(target)
