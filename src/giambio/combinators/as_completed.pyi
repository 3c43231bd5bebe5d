from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, final, overload

from giambio.combinators.bounded import BoundedCollector
from giambio.kernel.operation import Operation

__all__ = ["Results", "as_completed"]

_Item = TypeVar("_Item")
_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

@overload
def as_completed(
    fn: Callable[[_Item], Awaitable[_T]],
    items: Iterable[_Item] | AsyncIterable[_Item],
    *,
    limit: int | None = None,
    return_exceptions: Literal[False] = False,
) -> Results[_T]: ...
@overload
def as_completed(
    fn: Callable[[_Item], Awaitable[_T]],
    items: Iterable[_Item] | AsyncIterable[_Item],
    *,
    limit: int | None = None,
    return_exceptions: bool,
) -> Results[_T | Exception]: ...

@final
class Results(BoundedCollector, Generic[_T_co]):
    def __init__(
        self, label: str, function: Any, items: Any, limit: int | None, return_exceptions: bool
    ) -> None: ...
    def __aenter__(self) -> Operation[Self]: ...
    # A bool, because it may catch a cancellation: then the code after the block runs.
    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[bool]: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Operation[_T_co]: ...
