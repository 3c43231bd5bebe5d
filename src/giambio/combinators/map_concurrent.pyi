from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, Literal, TypeVar, overload

from giambio.combinators.bounded import BoundedCollector
from giambio.kernel.operation import Operation

__all__ = ["map_concurrent"]

_Item = TypeVar("_Item")
_T = TypeVar("_T")

@overload
def map_concurrent(
    fn: Callable[[_Item], Awaitable[_T]],
    items: Iterable[_Item] | AsyncIterable[_Item],
    *,
    limit: int | None = None,
    return_exceptions: Literal[False] = False,
) -> Operation[list[_T]]: ...
@overload
def map_concurrent(
    fn: Callable[[_Item], Awaitable[_T]],
    items: Iterable[_Item] | AsyncIterable[_Item],
    *,
    limit: int | None = None,
    return_exceptions: bool,
) -> Operation[list[_T | Exception]]: ...

class Mapping(BoundedCollector):
    def __init__(
        self, function: Any, items: Any, limit: int | None, return_exceptions: bool
    ) -> None: ...
