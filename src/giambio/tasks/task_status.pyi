from contextvars import Context
from types import GenericAlias
from typing import Any, Generic, final, overload

from typing_extensions import TypeVar

from giambio.kernel.operation import Operation

__all__ = ["Start", "TaskStatus", "refuse_task_status"]

_T_contra = TypeVar("_T_contra", contravariant=True, default=Any)

class Start(Operation[Any]):
    def __init__(
        self,
        manager: Any,
        target: Any,
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        name: str | None,
        context: Context,
    ) -> None: ...

def refuse_task_status(what: str, target: Any, keywords: dict[str, Any]) -> None: ...

@final
class TaskStatus(Generic[_T_contra]):
    def __init__(self, starting: Any) -> None: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    @overload
    def started(self: TaskStatus[None]) -> None: ...
    @overload
    def started(self, value: _T_contra) -> None: ...
