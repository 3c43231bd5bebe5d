"""What a user gives to `gather` and its like: mistakes are found at the call, and explained.

Whatever is refused is closed, so that a coroutine does not warn a second time.
"""

from __future__ import annotations

import types
from typing import Any

from giambio.kernel.coroutines import discard
from giambio.kernel.introspect import is_awaitable

__all__ = ["check_function", "check_given", "check_items"]


def check_given(what: str, targets: tuple[Any, ...]) -> None:
    """Raise if one can be neither awaited nor called.

    Raises:
        TypeError: it says which.
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
    """Raise if it is not something to call with an item.

    Raises:
        TypeError: it shows an example.
    """
    if not callable(function) or is_awaitable(function):
        discard_all(function)  # asyncio's form: as_completed([fetch(url), ...])
        raise TypeError(
            f"{what} needs an async function, and the items to call it with, not {function!r}; "
            f"write {example}"
        )


def check_items(what: str, items: Any) -> None:
    """Raise if there is nothing to iterate over.

    Raises:
        TypeError: it says what is wrong with it.
    """
    if any(hasattr(type(items), name) for name in ("__aiter__", "__iter__", "__getitem__")):
        return
    hint = "; await it first" if is_awaitable(items) else ""
    discard_all(items)
    raise TypeError(f"{what} needs an iterable or an async iterable of items, not {items!r}{hint}")


def discard_all(given: object) -> None:
    """Close what will not run, also in a list that was given by mistake."""
    for target in given if isinstance(given, list | tuple | set | frozenset) else (given,):
        if isinstance(target, types.CoroutineType) or is_awaitable(target):
            discard(target)
