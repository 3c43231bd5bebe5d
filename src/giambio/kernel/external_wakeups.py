"""A promise that something Python cannot see will wake a task, for the deadlock detector."""

from __future__ import annotations

from giambio._build.sealed import final
from giambio.kernel.blocks import refuse_async_with
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import current_kernel

__all__ = ["external_wakeups"]


class external_wakeups:
    """A block in which something that Python cannot see may wake a task.

    ``with giambio.external_wakeups():`` says that waiting for ever is no deadlock here:
    for example because a thread of a C library will call
    `EventLoop.call_soon_threadsafe`. Python's own threads need no such block.

    Raises:
        RuntimeError: on entering: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     with giambio.external_wakeups():
        ...         with giambio.move_on_after(0.01):
        ...             await giambio.Event().wait()
        >>> giambio.run(main)
    """

    __slots__ = ("_kernel",)

    def __init__(self) -> None:
        self._kernel: Kernel | None = None

    def __enter__(self) -> None:
        if self._kernel is not None:
            raise RuntimeError("external_wakeups() is entered already; make a new one")
        self._kernel = current_kernel()
        self._kernel._external += 1

    def __exit__(self, *exc_info: object) -> None:
        kernel = self._kernel
        self._kernel = None
        if kernel is None:
            raise RuntimeError("external_wakeups() is left, but was not entered")
        kernel._external -= 1

    __aenter__ = __aexit__ = refuse_async_with


final(external_wakeups)
