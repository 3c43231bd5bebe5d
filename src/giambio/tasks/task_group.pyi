from types import TracebackType
from typing import Any

from giambio.kernel.operation import Operation
from giambio.kernel.task import Supervisor, Task

__all__ = ["Entering", "Leaving", "TaskGroup", "check_limit"]

class TaskGroup(Supervisor):
    def __aenter__(self) -> Operation[Any]: ...
    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any: ...

    # What the runtime asks.
    def _check_open(self) -> None: ...
    def _child_exited(self, task: Task) -> None: ...
    def _pass_place_on(self) -> None: ...

class Entering(Operation[Any]):
    def __init__(self, block: TaskGroup) -> None: ...
    @property
    def what(self) -> str: ...  # type: ignore[override]

class Leaving(Operation[Any]):
    def __init__(self, block: TaskGroup, body: BaseException | None, chained: bool) -> None: ...
    @property
    def what(self) -> str: ...  # type: ignore[override]

def check_limit(what: str, limit: Any) -> int: ...
