"""`asyncio.Task` by name: for a loop of giambio's it makes a task that is giambio's, too.

Some libraries call the class instead of `create_task`, and would get a task that asyncio's C code
steps behind the kernel's back: in there no operation of giambio's could work.
"""

from __future__ import annotations

import asyncio
from typing import Any

from giambio.asyncio.kernel_loop import KernelLoop

__all__ = ["Task"]

original = asyncio.tasks.Task


class MakesTasks(type):
    """The class of `Task`: it decides what a call makes."""

    def __call__(cls, coro: Any, *, loop: Any = None, **options: Any) -> Any:
        if cls is not Task:
            return super().__call__(coro, loop=loop, **options)
        if loop is None:
            loop = asyncio.get_event_loop()
        if isinstance(loop, KernelLoop):
            return loop._create_task(coro, **options)
        return original(coro, loop=loop, **options)

    def __instancecheck__(cls, instance: Any) -> bool:
        return (
            isinstance(instance, original) if cls is Task else super().__instancecheck__(instance)
        )

    def __subclasscheck__(cls, subclass: type) -> bool:
        return (
            issubclass(subclass, original) if cls is Task else super().__subclasscheck__(subclass)
        )


class Task(original, metaclass=MakesTasks):  # type: ignore[type-arg]
    __doc__ = original.__doc__
