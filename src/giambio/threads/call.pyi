import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVar

from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation

__all__ = ["ThreadCall", "calling", "check_call", "refuse_async"]

_T = TypeVar("_T")

class Calling(threading.local):
    call: ThreadCall[Any] | None

calling: Calling

class ThreadCall(Operation[_T]):
    def __init__(
        self,
        name: str,
        submit: Callable[[ThreadCall[Any]], object],
        function: Callable[..., _T],
        args: tuple[Any, ...],
        context: Context,
        limiter: Any,
        abandonable: bool,
    ) -> None: ...
    @property
    def what(self) -> str: ...  # type: ignore[override]
    @property
    def abandoned(self) -> bool: ...
    @property
    def delivered(self) -> bool: ...
    def visit_began(self, visit: Any) -> None: ...
    def visit_ended(self) -> None: ...
    def run(self) -> None: ...
    def deliver(self) -> None: ...
    def arrive(self) -> None: ...
    def give_back(self) -> None: ...
    def loop(self) -> Kernel | None: ...
    def cancellation(self) -> BaseException | None: ...

def check_call(name: str, function: Any, keywords: dict[str, Any]) -> None: ...
def refuse_async(what: str, function: Any, returned: object, instead: str) -> None: ...
