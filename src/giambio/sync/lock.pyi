from types import TracebackType
from typing import Any, NamedTuple, final

from giambio.kernel.operation import Operation
from giambio.kernel.task import Held, Task

__all__ = ["Lock", "LockStatistics"]

class LockStatistics(NamedTuple):
    locked: bool
    owner: Task[Any] | None
    tasks_waiting: int

@final
class Lock(Held):
    def __init__(self) -> None: ...
    def acquire(self) -> Operation[None]: ...
    def acquire_nowait(self) -> None: ...
    def release(self) -> None: ...
    def locked(self) -> bool: ...
    def statistics(self) -> LockStatistics: ...
    def __aenter__(self) -> Operation[None]: ...
    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation[None]: ...
