"""`as_safe_channel`: an async generator that may hold scopes, managers and streams open.

A generator that is left in the middle is finished later, and elsewhere: the blocks in it are left
in another task, or never. Here it runs in a task of its own from beginning to end, and a block
around the iteration sees to that end. The name, and the idea, are Trio's.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import wraps
from typing import Any, Generic, ParamSpec, Self, TypeVar

from giambio._build.sealed import final
from giambio.channels.channel import ReceiveChannel, SendChannel, open_channel
from giambio.errors import EndOfStream
from giambio.kernel.blocks import refuse_with
from giambio.kernel.task import Task
from giambio.sync.event import Event
from giambio.tasks.manager import TaskManager

__all__ = ["SafeChannel", "as_safe_channel"]

P = ParamSpec("P")
T = TypeVar("T")

USE = "write `async with {0}(...) as items:` and in it `async for item in items:`"


def as_safe_channel(
    function: Callable[P, AsyncGenerator[T, None]],
) -> Callable[P, SafeChannel[T]]:
    """Decorate an async generator function, so that it can be left anywhere and anyhow.

    Parameters:
        function: an async generator function. It may yield inside of scopes, managers and other
            blocks.

    Returns:
        A function that makes a block, to be entered with ``async with`` and iterated over inside;
        or an item is taken by ``await items.receive()``, which raises `EndOfStream` at the end.

    Raises:
        TypeError: it is no async generator function.

    The generator goes on whenever a task waits for an item, in a task of its own, which is a
    child of the one that has entered the block. Leaving the block, however, cancels it where it
    is, and waits until it has cleaned up. An exception of its own cancels the block's body, and is
    raised by the block. Several tasks may iterate; each item goes to one of them.

    Waiting for an item is a checkpoint; cancelled, it loses none. Leaving always yields control.

    Example:
        >>> import giambio
        >>> @giambio.as_safe_channel
        ... async def count(seconds):
        ...     async with giambio.TaskManager() as manager:
        ...         manager.start_soon(giambio.sleep, seconds)
        ...         for number in range(1000):
        ...             yield number
        >>> async def main():
        ...     async with count(3600) as numbers:
        ...         async for number in numbers:
        ...             if number == 2:
        ...                 return number  # and nothing is left behind
        >>> giambio.run(main)
        2
    """
    if not inspect.isasyncgenfunction(function):
        raise TypeError(
            f"as_safe_channel() decorates an async generator function, not {function!r}; "
            "write @giambio.as_safe_channel above an `async def` that yields"
        )

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> SafeChannel[T]:
        return SafeChannel(function(*args, **kwargs), function.__name__)

    return make


class SafeChannel(Generic[T]):
    """The items of one generator, for as long as its block is open."""

    __slots__ = ("_generator", "_manager", "_name", "_receive", "_task", "_wanted")

    def __init__(self, generator: AsyncGenerator[T, None], name: str) -> None:
        self._generator = generator
        self._name = name
        self._manager = TaskManager()
        # The end of a channel at which its items come, and the task at the other one, from
        # entering the block on.
        self._receive: ReceiveChannel[T]
        self._task: Task[None] | None = None
        # Set when a task begins to wait for an item.
        self._wanted = Event()

    async def __aenter__(self) -> Self:
        await self._manager.__aenter__()
        send, self._receive = open_channel[T](0)
        self._task = self._manager.start_soon(self._feed, send)
        return self

    async def __aexit__(self, *exc_info: Any) -> bool:
        if self._task is not None:
            self._task.cancel(f"the block of {self._name}() was left")
            self._receive.close()
        left: bool = await self._manager.__aexit__(*exc_info)
        return left

    __enter__ = __exit__ = refuse_with

    def __aiter__(self) -> Self:
        self._check()
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None

    async def receive(self) -> T:
        """Take the next item, for which the generator goes on.

        Raises:
            EndOfStream: the generator has ended.
            ClosedResourceError: the block was left.
            TypeError: it was not entered.
            CancelledError: the caller is in a cancelled scope.

        A checkpoint; cancelled, it loses no item.
        """
        self._check()
        self._wanted.set()
        return await self._receive.receive()

    def _check(self) -> None:
        if self._task is None:
            raise TypeError(f"{self._name}() is a block; {USE.format(self._name)}")

    async def _feed(self, send: SendChannel[T]) -> None:
        """Have the generator go on as long as a task waits for an item."""
        with send:
            async with aclosing(self._generator) as items:
                while True:
                    await self._wanted.wait()
                    if not self._receive.statistics().tasks_waiting_receive:
                        self._wanted = Event()
                        continue
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        return
                    await send.send(item)


final(SafeChannel)
