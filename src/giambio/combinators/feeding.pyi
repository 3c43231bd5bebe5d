from typing import Any

from giambio.combinators.together import Collector
from giambio.kernel.operation import Operation

__all__ = ["Feeding"]

class Feeding(Collector):
    def place(self) -> Operation[None]: ...
    def feed(self, item: Any) -> None: ...
