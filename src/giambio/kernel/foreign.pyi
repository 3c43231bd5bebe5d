from collections.abc import Callable

from giambio.kernel.basetask import BaseTask, Park
from giambio.kernel.kernel import Kernel

__all__ = ["ForeignPark"]

class ForeignPark(Park):
    def __init__(
        self,
        kernel: Kernel,
        task: BaseTask,
        abort: Callable[[], object] | None = None,
        interruption: Callable[[BaseException], BaseException] | None = None,
    ) -> None: ...
    def wake(self, error: BaseException | None = None) -> bool: ...
    def interrupted(self) -> BaseException: ...
