from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias, TypeVar, overload

from giambio.combinators.given import Given
from giambio.kernel.operation import Operation

__all__ = ["gather"]

_T = TypeVar("_T")
_T1 = TypeVar("_T1")
_T2 = TypeVar("_T2")
_T3 = TypeVar("_T3")
_T4 = TypeVar("_T4")
_T5 = TypeVar("_T5")
_T6 = TypeVar("_T6")
_Target: TypeAlias = Awaitable[_T] | Callable[[], Awaitable[_T]]

# Up to six are typed one by one, as a tuple, as typeshed does for asyncio: no type says "a
# list of these". It is always a list. With a plain `bool` the overloads overlap.
@overload
def gather(  # type: ignore[overload-overlap]
    a: _Target[_T1], /, *, return_exceptions: Literal[False] = False
) -> Operation[tuple[_T1]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _Target[_T1], b: _Target[_T2], /, *, return_exceptions: Literal[False] = False
) -> Operation[tuple[_T1, _T2]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _Target[_T1],
    b: _Target[_T2],
    c: _Target[_T3],
    /,
    *,
    return_exceptions: Literal[False] = False,
) -> Operation[tuple[_T1, _T2, _T3]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _Target[_T1],
    b: _Target[_T2],
    c: _Target[_T3],
    d: _Target[_T4],
    /,
    *,
    return_exceptions: Literal[False] = False,
) -> Operation[tuple[_T1, _T2, _T3, _T4]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _Target[_T1],
    b: _Target[_T2],
    c: _Target[_T3],
    d: _Target[_T4],
    e: _Target[_T5],
    /,
    *,
    return_exceptions: Literal[False] = False,
) -> Operation[tuple[_T1, _T2, _T3, _T4, _T5]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: _Target[_T1],
    b: _Target[_T2],
    c: _Target[_T3],
    d: _Target[_T4],
    e: _Target[_T5],
    f: _Target[_T6],
    /,
    *,
    return_exceptions: Literal[False] = False,
) -> Operation[tuple[_T1, _T2, _T3, _T4, _T5, _T6]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    *targets: _Target[_T], return_exceptions: Literal[False] = False
) -> Operation[list[_T]]: ...
@overload
def gather(a: _Target[_T1], /, *, return_exceptions: bool) -> Operation[tuple[_T1 | Exception]]: ...
@overload
def gather(
    a: _Target[_T1], b: _Target[_T2], /, *, return_exceptions: bool
) -> Operation[tuple[_T1 | Exception, _T2 | Exception]]: ...
@overload
def gather(
    a: _Target[_T1], b: _Target[_T2], c: _Target[_T3], /, *, return_exceptions: bool
) -> Operation[tuple[_T1 | Exception, _T2 | Exception, _T3 | Exception]]: ...
@overload
def gather(
    a: _Target[_T1],
    b: _Target[_T2],
    c: _Target[_T3],
    d: _Target[_T4],
    /,
    *,
    return_exceptions: bool,
) -> Operation[tuple[_T1 | Exception, _T2 | Exception, _T3 | Exception, _T4 | Exception]]: ...
@overload
def gather(
    a: _Target[_T1],
    b: _Target[_T2],
    c: _Target[_T3],
    d: _Target[_T4],
    e: _Target[_T5],
    /,
    *,
    return_exceptions: bool,
) -> Operation[
    tuple[_T1 | Exception, _T2 | Exception, _T3 | Exception, _T4 | Exception, _T5 | Exception]
]: ...
@overload
def gather(
    a: _Target[_T1],
    b: _Target[_T2],
    c: _Target[_T3],
    d: _Target[_T4],
    e: _Target[_T5],
    f: _Target[_T6],
    /,
    *,
    return_exceptions: bool,
) -> Operation[
    tuple[
        _T1 | Exception,
        _T2 | Exception,
        _T3 | Exception,
        _T4 | Exception,
        _T5 | Exception,
        _T6 | Exception,
    ]
]: ...
@overload
def gather(*targets: _Target[_T], return_exceptions: bool) -> Operation[list[_T | Exception]]: ...

class Gathering(Given):
    def __init__(self, targets: tuple[Any, ...], return_exceptions: bool) -> None: ...
