from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias, TypeVar, overload

__all__ = ["race"]

_T = TypeVar("_T")
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")
_To: TypeAlias = Awaitable[_T] | Callable[[], Awaitable[_T]]

@overload
def race(a: _To[_A], /) -> Coroutine[Any, Any, _A]: ...
@overload
def race(a: _To[_A], b: _To[_B], /) -> Coroutine[Any, Any, _A | _B]: ...
@overload
def race(a: _To[_A], b: _To[_B], c: _To[_C], /) -> Coroutine[Any, Any, _A | _B | _C]: ...
@overload
def race(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], /
) -> Coroutine[Any, Any, _A | _B | _C | _D]: ...
@overload
def race(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], e: _To[_E], /
) -> Coroutine[Any, Any, _A | _B | _C | _D | _E]: ...
@overload
def race(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], e: _To[_E], f: _To[_F], /
) -> Coroutine[Any, Any, _A | _B | _C | _D | _E | _F]: ...
@overload
def race(
    a: _To[_T],
    b: _To[_T],
    c: _To[_T],
    d: _To[_T],
    e: _To[_T],
    f: _To[_T],
    g: _To[_T],
    /,
    *targets: _To[_T],
) -> Coroutine[Any, Any, _T]: ...
