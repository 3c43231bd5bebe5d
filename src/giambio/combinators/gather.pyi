from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal, TypeAlias, TypeVar, overload

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
# list of these". It is always a list. Two overloads that fit, one of which has `*targets` alone,
# would be `Any` for mypy, where a type has one, such as `Coroutine[Any, Any, None]`.
@overload
def gather(a: _To[_A], /, *, return_exceptions: _No = False) -> Coroutine[Any, Any, tuple[_A]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], /, *, return_exceptions: _No = False
) -> Coroutine[Any, Any, tuple[_A, _B]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], c: _To[_C], /, *, return_exceptions: _No = False
) -> Coroutine[Any, Any, tuple[_A, _B, _C]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], /, *, return_exceptions: _No = False
) -> Coroutine[Any, Any, tuple[_A, _B, _C, _D]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], e: _To[_E], /, *, return_exceptions: _No = False
) -> Coroutine[Any, Any, tuple[_A, _B, _C, _D, _E]]: ...
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
    return_exceptions: _No = False,
) -> Coroutine[Any, Any, tuple[_A, _B, _C, _D, _E, _F]]: ...
@overload
def gather(
    a: _To[_T],
    b: _To[_T],
    c: _To[_T],
    d: _To[_T],
    e: _To[_T],
    f: _To[_T],
    g: _To[_T],
    /,
    *targets: _To[_T],
    return_exceptions: _No = False,
) -> Coroutine[Any, Any, list[_T]]: ...
@overload
def gather(a: _To[_A], /, *, return_exceptions: bool) -> Coroutine[Any, Any, tuple[_Or[_A]]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], /, *, return_exceptions: bool
) -> Coroutine[Any, Any, tuple[_Or[_A], _Or[_B]]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], c: _To[_C], /, *, return_exceptions: bool
) -> Coroutine[Any, Any, tuple[_Or[_A], _Or[_B], _Or[_C]]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], /, *, return_exceptions: bool
) -> Coroutine[Any, Any, tuple[_Or[_A], _Or[_B], _Or[_C], _Or[_D]]]: ...
@overload
def gather(
    a: _To[_A], b: _To[_B], c: _To[_C], d: _To[_D], e: _To[_E], /, *, return_exceptions: bool
) -> Coroutine[Any, Any, tuple[_Or[_A], _Or[_B], _Or[_C], _Or[_D], _Or[_E]]]: ...
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
) -> Coroutine[Any, Any, tuple[_Or[_A], _Or[_B], _Or[_C], _Or[_D], _Or[_E], _Or[_F]]]: ...
@overload
def gather(
    a: _To[_T],
    b: _To[_T],
    c: _To[_T],
    d: _To[_T],
    e: _To[_T],
    f: _To[_T],
    g: _To[_T],
    /,
    *targets: _To[_T],
    return_exceptions: bool,
) -> Coroutine[Any, Any, list[_Or[_T]]]: ...
