from typing import Any, final

from typing_extensions import TypeVar

from giambio.block import Block
from giambio.kernel.operation import Operation

__all__ = ["Collector", "Together"]

_T_co = TypeVar("_T_co", covariant=True, default=Any)

class Collector(Block): ...

@final
class Together(Operation[_T_co]):
    def __init__(self, collector: Collector) -> None: ...
    @property
    def what(self) -> str: ...  # type: ignore[override]
