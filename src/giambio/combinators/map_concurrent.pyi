from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable
from typing import Any, Literal, TypeAlias, TypeVar, overload

__all__ = ["map_concurrent"]

_Item = TypeVar("_Item")
_T = TypeVar("_T")
_Function: TypeAlias = Callable[[_Item], Awaitable[_T]]
_Items: TypeAlias = Iterable[_Item] | AsyncIterable[_Item]

@overload
def map_concurrent(
    fn: _Function[_Item, _T],
    items: _Items[_Item],
    *,
    limit: int | None = None,
    return_exceptions: Literal[False] = False,
) -> Coroutine[Any, Any, list[_T]]: ...
@overload
def map_concurrent(
    fn: _Function[_Item, _T],
    items: _Items[_Item],
    *,
    limit: int | None = None,
    return_exceptions: bool,
) -> Coroutine[Any, Any, list[_T | Exception]]: ...
