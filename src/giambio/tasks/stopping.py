"""Soft stops, seen from inside: `cancel_on_stop`, `wait_stopping`, `stopping`.

`CancelScope.stop` asks what runs inside to come to an end, and raises nothing. Here is what that
code can do: have a wait of its own cut short, such as one for the next request, or ask.
"""

from __future__ import annotations

from giambio.kernel.checkpoints import sleep_forever
from giambio.kernel.task import current_task
from giambio.tasks.cancel import CancelScope

__all__ = ["cancel_on_stop", "stopping", "wait_stopping"]


def cancel_on_stop() -> CancelScope:
    """Cut a block short when it is asked to stop: ``with cancel_on_stop() as scope: ...``

    For what must not delay the end of a program, such as waiting for the next request on a
    connection; what has begun goes on outside of the block.

    Returns:
        A `CancelScope`. It is cancelled when a scope around it is stopped, see
        `CancelScope.stop`, with that reason; or when it is entered, if that has happened
        already. Its `cancelled_caught` says whether the block was cut short.

    As with any cancellation, an operation that has received something keeps it: then the next
    checkpoint in the block raises, and if there is none, the block ends as usual.

    Example:
        >>> import giambio
        >>> async def handler(requests):
        ...     while True:
        ...         with giambio.cancel_on_stop() as waiting:
        ...             request = await requests.receive()
        ...         if waiting.cancelled_caught:
        ...             return "bye"
        ...         print(request)
        >>> async def main():
        ...     sender, receiver = giambio.open_channel(1)
        ...     async with sender, receiver, giambio.TaskManager() as manager:
        ...         task = await manager.spawn(handler, receiver)
        ...         await sender.send("a request")
        ...         await giambio.sleep(0.01)
        ...         manager.stop(grace=5)
        ...     return task.result()
        >>> giambio.run(main)
        a request
        'bye'
    """
    scope = CancelScope()
    scope._follow_stops()
    return scope


def stopping() -> bool:
    """Return whether the calling task is asked to end, softly or by a cancellation.

    That is so inside of a scope that is stopped (see `CancelScope.stop`) or cancelled; a shield
    keeps both out.

    Raises:
        RuntimeError: no task runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         print(giambio.stopping())
        ...         manager.stop(grace=1)
        ...         print(giambio.stopping())
        >>> giambio.run(main)
        False
        True
    """
    scope: CancelScope = current_task()._scope  # type: ignore[assignment]
    return scope._is_stopping()


async def wait_stopping() -> None:
    """Wait until the calling task is asked to stop; see `CancelScope.stop`.

    Raises:
        CancelledError: the task is in a cancelled scope.

    A checkpoint. As `sleep_forever`, it says that waiting for ever is meant: it is no deadlock.

    Example:
        >>> import giambio
        >>> async def worker():
        ...     await giambio.wait_stopping()
        ...     print("the last one out turns off the light")
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         await manager.spawn(worker)
        ...         manager.stop(grace=1)
        >>> giambio.run(main)
        the last one out turns off the light
    """
    with cancel_on_stop():
        await sleep_forever()
