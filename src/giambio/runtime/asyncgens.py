"""Async generators that are left unfinished.

An async generator may have a `finally` that awaits, so when one is collected
only a loop can close it. Python lets a loop watch generators for that: `first`
is called when one is iterated for the first time, `collected` when one is
collected unfinished (in any thread).
"""

from __future__ import annotations

import contextvars
import types
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from itertools import count
from typing import Any

from giambio.errors import CancelledError
from giambio.kernel.closed_from_outside import closing_from_outside
from giambio.kernel.kernel import Kernel
from giambio.kernel.unraisable import report_unraisable
from giambio.tasks.cancel import CancelScope
from giambio.tasks.system_tasks import SystemTasks

__all__ = ["AsyncGenerators"]

AnyGenerator = AsyncGenerator[Any, Any]


class AsyncGenerators(SystemTasks):
    """The unfinished async generators of one loop, and the tasks that close them."""

    work = "closing an async generator"

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._numbers = count()
        # In the order they were started; a collected one drops out by itself.
        self._alive: weakref.WeakValueDictionary[int, AnyGenerator] = weakref.WeakValueDictionary()

    def hooks(self) -> tuple[Any, Any]:
        """Return the arguments for `sys.set_asyncgen_hooks`."""
        return self._first, self._collected

    def _first(self, generator: AnyGenerator) -> None:
        self._alive[next(self._numbers)] = generator

    def _collected(self, generator: AnyGenerator) -> None:
        kernel = self.kernel()
        if kernel is None or kernel._closed or not kernel._is_begun():
            problem = "it was collected when its loop had ended, so it is not closed"
            warn_about(generator, problem, line_of(generator))
            return
        kernel.call_soon_threadsafe(self._close_collected, generator)

    def _close_collected(self, generator: AnyGenerator) -> None:
        self.spawn(close_cancelled(generator), contextvars.copy_context())

    def close_alive(self) -> bool:
        """Start to close the generators that are alive, the last one first.

        Returns:
            False if there is none.
        """
        generators = [generator for _, generator in sorted(self._alive.items(), reverse=True)]
        self._alive.clear()
        if generators:
            self.spawn(close_all(generators), contextvars.copy_context())
        return bool(generators)


async def close_cancelled(generator: AnyGenerator) -> None:
    """Close a generator that was collected: it may clean up, but not wait."""
    line = line_of(generator)
    with CancelScope() as scope:
        scope.cancel("the async generator was collected")
        waited = await close(generator)
    if waited:
        try:
            problem = (
                "it was collected unfinished, when its clean-up could not wait any more; iterate "
                "in `async with contextlib.aclosing(...)`, which closes it where you leave it"
            )
            warn_about(generator, problem, line)
        except Warning as warning:  # by the user's filters; the loop is not the place to raise it
            report_unraisable(warning, "closing an async generator", generator)


async def close_all(generators: list[AnyGenerator]) -> None:
    """Close generators one after the other."""
    for generator in generators:
        await close(generator)


@types.coroutine
def close(generator: AnyGenerator) -> Generator[Any, Any, bool]:
    """Close a generator; its errors are reported, because nobody is left to catch them.

    Returns:
        Whether its clean-up has awaited something.
    """
    waited = False
    closing = generator.aclose().__await__()
    resume: Callable[[], Any] = partial(next, closing)
    try:
        while True:
            with closing_from_outside():  # its blocks are those of the task that has left it
                yielded = resume()
            waited = True
            try:
                yield yielded
                resume = partial(next, closing)
            except BaseException as exc:
                resume = partial(closing.throw, exc)
    except (StopIteration, CancelledError):
        pass  # it has ended, perhaps because it wanted to wait where it may not
    except GeneratorExit:
        raise  # the loop itself is being ended
    except BaseException as exc:
        report_unraisable(exc, "closing an async generator", generator)
    return waited


def line_of(generator: AnyGenerator) -> int:
    """Return the line at which a generator is suspended, or of its `def` if it has ended."""
    frame = generator.ag_frame  # type: ignore[attr-defined]
    code = generator.ag_code  # type: ignore[attr-defined]
    return int(code.co_firstlineno if frame is None else frame.f_lineno)


def warn_about(generator: AnyGenerator, problem: str, line: int) -> None:
    """Warn about a generator that nobody finished, at a line of its own.

    Nothing knows the line that has abandoned it: it is collected some time later.
    """
    code = generator.ag_code  # type: ignore[attr-defined]
    warnings.warn_explicit(
        f"async generator {generator.__qualname__!r} "  # type: ignore[attr-defined]
        f"({code.co_filename}:{code.co_firstlineno}): {problem}",
        ResourceWarning,
        code.co_filename,
        line,
        source=generator,
    )
