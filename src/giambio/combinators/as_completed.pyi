from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, final, overload

from giambio.combinators.bounded import BoundedCollector
from giambio.kernel.operation import Operation
from giambio.kernel.wait_queue import QueuedOperation

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
        self, function: Any, items: Any, limit: int | None, return_exceptions: bool
    ) -> None: ...
    def __aenter__(self) -> Operation[Self]: ...
    # A bool, because it may swallow a cancellation: what follows the block runs.
    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[bool]: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Operation[_T_co]: ...

    # What the runtime asks.
    def _pass_place_on(self) -> None: ...

@final
class Next(QueuedOperation):
    def __init__(self, results: Results[Any]) -> None: ...
