from types import GenericAlias
from typing import Any, Generic, final, overload

from typing_extensions import TypeVar

from giambio.kernel.operation import Operation

__all__ = ["Start", "TaskStatus"]

_T_contra = TypeVar("_T_contra", contravariant=True, default=Any)

class Start(Operation[Any]):
    def __init__(
        self, manager: Any, target: Any, args: tuple[Any, ...], name: str | None
    ) -> None: ...

@final
class TaskStatus(Generic[_T_contra]):
    def __init__(self, starting: Any) -> None: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    @overload
    def started(self: TaskStatus[None]) -> None: ...
    @overload
    def started(self, value: _T_contra) -> None: ...
