from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation

__all__ = [
    "Closeable",
    "Droppable",
    "close_dropped",
    "fill",
    "limit_of",
]

class Closeable:
    def close_now(self) -> None: ...
    def close(self) -> Operation[None]: ...
    def aclose(self) -> Operation[None]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def __aenter__(self) -> Operation[Self]: ...
    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation[None]: ...

class Droppable(Closeable):
    def __del__(self) -> None: ...

def close_dropped(kernel: Kernel | None, leave: Callable[[], object]) -> None: ...
def limit_of(what: str, size: Any, least: int) -> int: ...
def fill(length: int, size: float) -> str: ...
