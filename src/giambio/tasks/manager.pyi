from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, TypeVarTuple, final, overload

from giambio.kernel.operation import Operation
from giambio.kernel.task import Task
from giambio.runtime.loop import EventLoop
from giambio.tasks.cancel import CancelScope
from giambio.tasks.task_group import TaskGroup

__all__ = ["TaskManager"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

@final
class TaskManager(TaskGroup):
    def __init__(
        self, loop: EventLoop | None = None, *, limit: int | None = None, strict: bool | None = None
    ) -> None: ...
    def __aenter__(self) -> Operation[Self]: ...
    # A bool, because it may catch a cancellation: then the code after the block runs.
    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[bool]: ...
    @overload
    def spawn(
        self,
        target: Callable[[*_Ts], Awaitable[_T]],
        /,
        *args: *_Ts,
        name: str | None = None,
        context: Context | None = None,
    ) -> Coroutine[Any, Any, Task[_T]]: ...
    @overload
    def spawn(
        self, target: Callable[_P, Awaitable[_T]], /, *args: _P.args, **keywords: _P.kwargs
    ) -> Coroutine[Any, Any, Task[_T]]: ...
    @overload
    def spawn(
        self, target: Awaitable[_T], /, *, name: str | None = None, context: Context | None = None
    ) -> Coroutine[Any, Any, Task[_T]]: ...
    @overload
    def start_soon(
        self,
        target: Callable[[*_Ts], Awaitable[_T]],
        /,
        *args: *_Ts,
        name: str | None = None,
        context: Context | None = None,
    ) -> Task[_T]: ...
    @overload
    def start_soon(
        self, target: Callable[_P, Awaitable[_T]], /, *args: _P.args, **keywords: _P.kwargs
    ) -> Task[_T]: ...
    @overload
    def start_soon(
        self, target: Awaitable[_T], /, *, name: str | None = None, context: Context | None = None
    ) -> Task[_T]: ...
    # No type can say "these arguments, and task_status": as in Trio and AnyIO.
    def start(
        self,
        target: Callable[..., Awaitable[object]],
        /,
        *args: Any,
        name: str | None = None,
        context: Context | None = None,
        **keywords: Any,
    ) -> Coroutine[Any, Any, Any]: ...
    @overload
    def spawn_threadsafe(
        self,
        target: Callable[[*_Ts], Awaitable[_T]],
        /,
        *args: *_Ts,
        name: str | None = None,
        context: Context | None = None,
    ) -> Future[_T]: ...
    @overload
    def spawn_threadsafe(
        self, target: Callable[_P, Awaitable[_T]], /, *args: _P.args, **keywords: _P.kwargs
    ) -> Future[_T]: ...
    @overload
    def spawn_threadsafe(
        self, target: Awaitable[_T], /, *, name: str | None = None, context: Context | None = None
    ) -> Future[_T]: ...
    def cancel(self, reason: object = None) -> bool: ...
    def stop(self, *, grace: float, reason: object = None) -> bool: ...
    @property
    def cancel_scope(self) -> CancelScope: ...
    @property
    def loop(self) -> EventLoop | None: ...
    _arriving: list[None]
