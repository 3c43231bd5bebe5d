from typing import Any

from giambio.combinators.base import Collector
from giambio.kernel.operation import Operation

__all__ = ["BoundedCollector"]

class BoundedCollector(Collector):
    def place(self) -> Operation[None]: ...
    def feed(self, item: Any) -> None: ...
