"""`to_thread(executor=…)`: functions in a pool of threads that the program has made itself.

Such a pool may be shared with other libraries, set its threads up, or have but one. It may also
be shut down while a function waits in it for a thread: then the task that waits gets an error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from giambio.threads.call import ThreadCall

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

__all__ = ["submit_to"]


def submit_to(name: str, executor: Executor) -> Callable[[ThreadCall], object]:
    """Return a function that hands calls in to an executor.

    Raises:
        TypeError: it is none.
    """
    from concurrent.futures import Executor as Pool  # it costs, and few ask

    if not isinstance(executor, Pool):
        raise TypeError(f"{name}(executor=) needs a concurrent.futures.Executor, not {executor!r}")

    def submit(call: ThreadCall) -> None:
        executor.submit(run, call).add_done_callback(partial(settle, call))

    return submit


def run(call: ThreadCall) -> None:
    """Run a call, unless its task has gone while it waited for a thread."""
    if not call.abandoned:
        call.run()


def settle(call: ThreadCall, future: Future[Any]) -> None:
    """Tell the loop that a call has run, or that it never will."""
    if future.cancelled():
        call.refuse(RuntimeError(f"the executor of {call.what} was shut down before it had a turn"))
    elif (error := future.exception()) is not None:
        if "pickle" in str(error):  # by a pool of processes
            note = f"{call.what} needs a pool of threads; for processes there is to_process()"
            error.add_note(note)
        call.refuse(error)  # a pool of processes, which cannot be sent the call
    call.deliver()
