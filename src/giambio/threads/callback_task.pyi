from collections.abc import Callable
from contextvars import Context
from typing import Any

from giambio.errors import RunFinishedError
from giambio.kernel.task import Supervisor
from giambio.threads.call import ThreadCall

__all__ = ["CallbackTask", "loop_ended"]

class CallbackTask(Supervisor):
    def __init__(
        self,
        what: str,
        call: ThreadCall[Any],
        function: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context,
    ) -> None: ...
    @property
    def returned(self) -> Any: ...
    @property
    def error(self) -> BaseException | None: ...
    def wait(self) -> None: ...
    def enter(self) -> None: ...
    def interrupt(self) -> None: ...

def loop_ended() -> RunFinishedError: ...
