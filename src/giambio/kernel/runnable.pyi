from collections.abc import Callable
from contextvars import Context
from math import inf
from typing import Any, final

from giambio.drivers.source import Waiter

__all__ = ["Handle", "Runnable"]

class Runnable(Waiter):
    def __init__(self) -> None: ...

@final
class Handle(Runnable):
    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context,
        kernel: Any = None,
        when: float = inf,
        dropped: Callable[[], object] | None = None,
    ) -> None: ...
    def cancel(self) -> None: ...
    def cancelled(self) -> bool: ...
    def _drop(self) -> None: ...
