"""AnyIO's test runner: fixtures and tests in one task of one loop.

pytest calls one after the other and is not async, so `giambio.testing.runner` drives the loop by
turns, and it stands still in between. As all run in the same task, a scope or a task group of a
fixture surrounds the test, and the test sees context variables that a fixture sets.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from anyio import abc
from giambio.kernel import current
from giambio.testing.runner import Runner

__all__ = ["TestRunner"]


class TestRunner(abc.TestRunner):
    """See `anyio.abc.TestRunner`; the options are those of `giambio.EventLoop`."""

    __test__ = False

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._runner: Runner | None = None

    def __exit__(self, *exc_info: Any) -> None:
        if self._runner is not None:
            self._runner.close()

    def is_running(self) -> bool:
        """See `anyio.abc.TestRunner.is_running`."""
        kernel = current.get()
        return kernel is not None and kernel._running is not None

    def run_asyncgen_fixture(
        self, fixture_func: Callable[..., AsyncGenerator[Any, Any]], kwargs: dict[str, Any]
    ) -> Iterator[Any]:
        """See `anyio.abc.TestRunner.run_asyncgen_fixture`."""
        generator = fixture_func(**kwargs)
        yield self._run(partial(generator.asend, None))
        try:
            self._run(partial(generator.asend, None))
        except StopAsyncIteration:
            return
        self._run(generator.aclose)
        raise RuntimeError("Async generator fixture did not stop")

    def run_fixture(
        self, fixture_func: Callable[..., Coroutine[Any, Any, Any]], kwargs: dict[str, Any]
    ) -> Any:
        """See `anyio.abc.TestRunner.run_fixture`."""
        return self._run(partial(fixture_func, **kwargs))

    def run_test(
        self, test_func: Callable[..., Coroutine[Any, Any, Any]], kwargs: dict[str, Any]
    ) -> None:
        """See `anyio.abc.TestRunner.run_test`."""
        self._run(partial(test_func, **kwargs))

    def _run(self, function: Callable[[], Any]) -> Any:
        __tracebackhide__ = True
        if self._runner is None:
            self._runner = Runner(failure, **self._options)
        return self._runner.run("the test or fixture", function, None)


def failure(text: str, place: bool) -> BaseException:
    """Return the error of a test that was cancelled."""
    return RuntimeError(text)
