from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias, TypeVar, overload

from giambio.kernel.operation import Operation

__all__ = ["gather"]

_T = TypeVar("_T")
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")
_To: TypeAlias = Awaitable[_T] | Callable[[], Awaitable[_T]]
_Or: TypeAlias = _T | Exception
_No: TypeAlias = Literal[False]

# Up to six are typed one by one, as a tuple, as typeshed does for asyncio: no type says "a
# list of these". It is always a list. With a plain `bool` the overloads overlap.
@overload
def gather(  # type: ignore[overload-overlap]
    a: _To[_A], /, *, return_exceptions: _No = False
) -> Operation[tuple[_A]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _To[_A], b: _To[_B], /, *, return_exceptions: _No = False
) -> Operation[tuple[_A, _B]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _To[_A], b: _To[_B], c: _To[_C], /, *, return_exceptions: _No = False
) -> Operation[tuple[_A, _B, _C]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], /, *, return_exceptions: _No = False
) -> Operation[tuple[_A, _B, _C, _D]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], e: _To[_E], /, *, return_exceptions: _No = False
) -> Operation[tuple[_A, _B, _C, _D, _E]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _To[_A],
    b: _To[_B],
    c: _To[_C],
    d: _To[_D],
    e: _To[_E],
    f: _To[_F],
    /,
    *,
    return_exceptions: _No = False,
) -> Operation[tuple[_A, _B, _C, _D, _E, _F]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    *targets: _To[_T], return_exceptions: _No = False
) -> Operation[list[_T]]: ...
@overload
def gather(a: _To[_A], /, *, return_exceptions: bool) -> Operation[tuple[_Or[_A]]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], /, *, return_exceptions: bool
) -> Operation[tuple[_Or[_A], _Or[_B]]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], c: _To[_C], /, *, return_exceptions: bool
) -> Operation[tuple[_Or[_A], _Or[_B], _Or[_C]]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], /, *, return_exceptions: bool
) -> Operation[tuple[_Or[_A], _Or[_B], _Or[_C], _Or[_D]]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], e: _To[_E], /, *, return_exceptions: bool
) -> Operation[tuple[_Or[_A], _Or[_B], _Or[_C], _Or[_D], _Or[_E]]]: ...
@overload
def gather(
    a: _To[_A],
    b: _To[_B],
    c: _To[_C],
    d: _To[_D],
    e: _To[_E],
    f: _To[_F],
    /,
    *,
    return_exceptions: bool,
) -> Operation[tuple[_Or[_A], _Or[_B], _Or[_C], _Or[_D], _Or[_E], _Or[_F]]]: ...
@overload
def gather(*targets: _To[_T], return_exceptions: bool) -> Operation[list[_Or[_T]]]: ...
