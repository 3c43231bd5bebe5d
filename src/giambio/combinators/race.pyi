from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar, overload

from giambio.combinators.given import Given
from giambio.kernel.operation import Operation

__all__ = ["race"]

_T = TypeVar("_T")
_T1 = TypeVar("_T1")
_T2 = TypeVar("_T2")
_T3 = TypeVar("_T3")
_T4 = TypeVar("_T4")
_T5 = TypeVar("_T5")
_T6 = TypeVar("_T6")
_Target: TypeAlias = Awaitable[_T] | Callable[[], Awaitable[_T]]

@overload
def race(a: _Target[_T1], /) -> Operation[_T1]: ...
@overload
def race(a: _Target[_T1], b: _Target[_T2], /) -> Operation[_T1 | _T2]: ...
@overload
def race(a: _Target[_T1], b: _Target[_T2], c: _Target[_T3], /) -> Operation[_T1 | _T2 | _T3]: ...
@overload
def race(
    a: _Target[_T1], b: _Target[_T2], c: _Target[_T3], d: _Target[_T4], /
) -> Operation[_T1 | _T2 | _T3 | _T4]: ...
@overload
def race(
    a: _Target[_T1], b: _Target[_T2], c: _Target[_T3], d: _Target[_T4], e: _Target[_T5], /
) -> Operation[_T1 | _T2 | _T3 | _T4 | _T5]: ...
@overload
def race(
    a: _Target[_T1],
    b: _Target[_T2],
    c: _Target[_T3],
    d: _Target[_T4],
    e: _Target[_T5],
    f: _Target[_T6],
    /,
) -> Operation[_T1 | _T2 | _T3 | _T4 | _T5 | _T6]: ...
@overload
def race(*targets: _Target[_T]) -> Operation[_T]: ...

class Racing(Given):
    def __init__(self, targets: tuple[Any, ...]) -> None: ...
