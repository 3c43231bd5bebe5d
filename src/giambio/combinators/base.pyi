from typing import Any, final

from typing_extensions import TypeVar

from giambio.kernel.operation import Operation
from giambio.tasks.task_group import TaskGroup

__all__ = ["Collector", "Together"]

_T_co = TypeVar("_T_co", covariant=True, default=Any)

class Collector(TaskGroup): ...

@final
class Together(Operation[_T_co]):
    def __init__(self, collector: Collector) -> None: ...
    @property
    def what(self) -> str: ...  # type: ignore[override]
