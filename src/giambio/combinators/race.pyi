from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar, overload

from giambio.kernel.operation import Operation

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
def race(a: _To[_A], /) -> Operation[_A]: ...
@overload
def race(a: _To[_A], b: _To[_B], /) -> Operation[_A | _B]: ...
@overload
def race(a: _To[_A], b: _To[_B], c: _To[_C], /) -> Operation[_A | _B | _C]: ...
@overload
def race(a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], /) -> Operation[_A | _B | _C | _D]: ...
@overload
def race(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], e: _To[_E], /
) -> Operation[_A | _B | _C | _D | _E]: ...
@overload
def race(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], e: _To[_E], f: _To[_F], /
) -> Operation[_A | _B | _C | _D | _E | _F]: ...
@overload
def race(*targets: _To[_T]) -> Operation[_T]: ...
