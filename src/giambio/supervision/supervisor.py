"""`Supervisor`: a block whose functions begin anew when they have failed.

The idea is Erlang's, as a block: it ends when all its functions have ended for good, and what it
cannot mend it raises, for a supervisor around it. Each function has a *keeper*, a task that calls
it, waits for its end, and decides what then.

A *restart* is conducted by the keeper of the function that has ended. It *holds* those functions
that begin anew with it: their keepers cancel them, wait for their end, and rest. After the pause
they are released, in the order in which they were started, each when the one before is ready. If a
conductor is held itself, its restart is part of the one that holds it.
"""

from __future__ import annotations

import contextvars
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from math import inf
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from giambio._build.sealed import final
from giambio.arguments import check_int, check_positive, could_take
from giambio.errors import RestartLimitExceeded, RunFinishedError
from giambio.kernel.blocks import refuse_with
from giambio.kernel.checkpoints import current_time, sleep
from giambio.kernel.coroutines import discard, name_of
from giambio.kernel.introspect import is_awaitable, makes_coroutines
from giambio.kernel.tracebacks import user_part
from giambio.supervision.backoff import Backoff
from giambio.sync.event import Event
from giambio.tasks.cancel import CancelScope
from giambio.tasks.manager import TaskManager
from giambio.tasks.stopping import cancel_on_stop, stopping
from giambio.tasks.task_status import TaskStatus, refuse_task_status
from giambio.tasks.timeouts import current_effective_deadline

__all__ = ["Supervisor"]

Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
Restart: TypeAlias = Literal["permanent", "transient", "temporary"]
OnRestart: TypeAlias = Callable[[str, Exception | None, float | None], object]

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
RESTARTS = ("permanent", "transient", "temporary")

log = logging.getLogger("giambio.supervisor")


class Supervisor:
    """Functions that begin anew when they fail: ``async with Supervisor() as supervisor: ...``

    Parameters:
        strategy: which functions begin anew when one has failed: ``"one_for_one"``, that one;
            ``"one_for_all"``, all; ``"rest_for_one"``, that one and those started after it.
        max_restarts: how many restarts there may be within `period`, before the supervisor gives
            up; 3 by default, and None for no limit.
        period: that time, in seconds, above 0; 5 by default. A function that was well for as long
            has its pauses start small again.
        backoff: the pauses before restarts; by default those of `Backoff()`.
        on_restart: a plain function, called with the name of a function that has ended, its
            error (None if it has returned), and the seconds until it begins anew; None instead
            of the seconds if it is not for this that it begins anew, see below. By
            default that is logged as a warning, with the traceback, on the logger
            ``giambio.supervisor``. An exception from it fails the block.

    A failure is an exception below `Exception`. Others, such as `KeyboardInterrupt`, fail the
    block, and a cancellation is no failure. Functions that are cancelled to begin anew are waited
    for before any begins. When one of them fails meanwhile, and when a ``"temporary"`` one fails,
    `on_restart` is told so with None for the seconds.

    The block ends when all functions have ended for good. Cancelled, or stopped softly (see
    `CancelScope.stop`), it begins nothing anew: what fails then is raised, as by a `TaskManager`.

    Raises:
        TypeError, ValueError: an argument makes no sense.
        RuntimeError: on entering: no task runs here, or it was used before.
        RestartLimitExceeded: on leaving: there were too many restarts. Its cause is the last error.

    Entering is not a checkpoint; leaving is one, as with a `TaskManager`.

    Example:
        >>> import giambio
        >>> answers = iter([ConnectionError("gone"), ConnectionError("gone"), "done"])
        >>> async def consume():
        ...     answer = next(answers)
        ...     if isinstance(answer, Exception):
        ...         raise answer
        ...     print(answer)
        >>> def report(name, error, seconds):
        ...     print(f"{name}: {error}, again in {seconds} s")
        >>> async def main():
        ...     pauses = giambio.Backoff(initial=0.01, jitter=0)
        ...     async with giambio.Supervisor(backoff=pauses, on_restart=report) as supervisor:
        ...         supervisor.start_soon(consume)
        >>> giambio.run(main)
        consume: gone, again in 0.01 s
        consume: gone, again in 0.02 s
        done
    """

    __slots__ = (
        "__weakref__",
        "_backoff",
        "_children",
        "_entered",
        "_manager",
        "_max_restarts",
        "_on_restart",
        "_period",
        "_restarts",
        "_strategy",
    )

    def __init__(
        self,
        *,
        strategy: Strategy = "one_for_one",
        max_restarts: int | None = 3,
        period: float = 5.0,
        backoff: Backoff | None = None,
        on_restart: OnRestart | None = None,
    ) -> None:
        check_choice("Supervisor()", "strategy", strategy, STRATEGIES)
        if max_restarts is not None:
            check_int("Supervisor()", "max_restarts", max_restarts, 0)
        check_positive("Supervisor()", "period", period)
        if not (backoff is None or isinstance(backoff, Backoff)):
            raise TypeError(f"Supervisor() needs a giambio.Backoff for backoff, not {backoff!r}")
        if on_restart is not None and (not callable(on_restart) or makes_coroutines(on_restart)):
            raise TypeError(
                f"Supervisor() needs a plain function for on_restart, not {on_restart!r}"
            )
        self._strategy = strategy
        self._max_restarts = max_restarts
        self._period = period
        self._backoff = backoff or Backoff()
        self._on_restart = on_restart or log_restart
        self._manager = TaskManager()
        self._entered = False
        #: Those that run, or will begin anew, in the order in which they were started.
        self._children: dict[Child, None] = {}
        #: When the restarts of the last `period` were; one more than are allowed at most.
        self._restarts: deque[float] = deque()

    # -- the block ---------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("this Supervisor was used already; make a new one for each block")
        await self._manager.__aenter__()
        self._entered = True
        return self

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[bool]:
        return self._manager.__aexit__(exc_type, exc, traceback)

    __enter__ = __exit__ = refuse_with

    # -- starting ----------------------------------------------------------------------

    def start_soon(
        self,
        function: Callable[..., Awaitable[object]],
        /,
        *args: Any,
        restart: Restart = "transient",
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        """Start a function, which begins anew when it fails.

        Parameters:
            function: an async function, not its coroutine, which could not begin anew.
            args, keywords: its arguments, the same each time.
            restart: when it begins anew: ``"transient"``, if it has failed; ``"permanent"``,
                however it has ended; ``"temporary"``, never.
            name: its name, in reports and of its task; by default that of the function.

        Raises:
            TypeError, ValueError: `function` is no async function, the arguments are not for it,
                `name` is not a string, or `restart` is none of the three.
            RuntimeError: the block was not entered yet.
            RunFinishedError: the block was left already.

        Each call runs in a copy of the context of the caller of `start_soon`. Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def serve(name):
            ...     print("hello,", name)
            >>> async def main():
            ...     async with giambio.Supervisor() as supervisor:
            ...         supervisor.start_soon(serve, "world")
            >>> giambio.run(main)
            hello, world
        """
        what = "Supervisor.start_soon()"
        child = self._new_child(what, function, args, keywords, restart, name)
        self._check_open()
        first = child.call()  # here, so that wrong arguments are an error of this call
        self._manager.start_soon(self._keep, child, first, name=f"supervision of {child.name}")

    async def start(
        self,
        function: Callable[..., Awaitable[object]],
        /,
        *args: Any,
        restart: Restart = "transient",
        name: str | None = None,
        **keywords: Any,
    ) -> Any:
        """Start a function, and wait until it reports that it is ready.

        Parameters:
            function: an async function. It is called with the keyword ``task_status`` too, each
                time, and reports with ``task_status.started(value)``. Where several begin anew,
                the next one waits for that.
            args, keywords, restart, name: see `start_soon`.

        Returns:
            The argument of the first ``started``.

        Raises:
            TypeError, ValueError, RuntimeError, RunFinishedError: see `start_soon`.
            BaseException: the function raised it before it called ``started`` the first time, or
                `RuntimeError` if it returned before. It does not begin anew then.
            CancelledError: the caller is in a cancelled scope.

        A checkpoint. Cancelled before ``started``, the function is cancelled, and was not started.

        Example:
            >>> import giambio
            >>> async def server(task_status):
            ...     task_status.started("port 8080")
            >>> async def main():
            ...     async with giambio.Supervisor() as supervisor:
            ...         print(await supervisor.start(server))
            >>> giambio.run(main)
            port 8080
        """
        what = "Supervisor.start()"
        refuse_task_status(what, function, keywords)
        child = self._new_child(what, function, args, keywords, restart, name)
        child.reports = True
        self._check_open()
        return await self._manager.start(self._keep, child, name=f"supervision of {child.name}")

    def cancel(self, reason: object = None) -> bool:
        """Cancel the body and all functions; the block then ends without an error.

        Parameters:
            reason: the ``reason`` of the `CancelledError`.

        Returns:
            False if it was cancelled already.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.Supervisor() as supervisor:
            ...         supervisor.start_soon(giambio.sleep_forever)
            ...         supervisor.cancel()
            >>> giambio.run(main)
        """
        return self._manager.cancel(reason)

    def stop(self, *, grace: float, reason: object = None) -> bool:
        """Stop the body and all functions softly; the block then ends without an error.

        Parameters:
            grace: how many seconds until they are cancelled, from 0 up.
            reason: the ``reason`` of the `CancelledError`.

        Returns:
            False if that has no effect; see `CancelScope.stop`.

        Raises:
            TypeError, ValueError: `grace` is not a number of seconds.
            RuntimeError: called from another thread than the loop's, or where no loop runs.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.Supervisor() as supervisor:
            ...         supervisor.start_soon(giambio.wait_stopping, restart="permanent")
            ...         supervisor.stop(grace=5)
            >>> giambio.run(main)
        """
        return self._manager.stop(grace=grace, reason=reason)

    def __repr__(self) -> str:
        return f"<giambio.Supervisor {self._strategy}, {len(self._children)} running>"

    def _new_child(
        self, what: str, function: Any, args: Any, keywords: Any, restart: Any, name: Any
    ) -> Child:
        """Check the arguments of a call, and put them together."""
        if is_awaitable(function) or not callable(function):
            discard(function)
            raise TypeError(
                f"{what} needs an async function, not {function!r}, which could not begin anew; "
                f"write {what[:-1]}function, argument, ...)"
            )
        check_choice(what, "restart", restart, RESTARTS)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name= needs a string, not {name!r}")
        for keyword, given in (("restart", restart != "transient"), ("name", name is not None)):
            if given and could_take(function, args, keyword):
                raise TypeError(
                    f"{what}: {keyword}= is the supervisor's, but {name_of(function)}() could take "
                    f"it too; write functools.partial({name_of(function)}, {keyword}=...) if it is "
                    "for the function"
                )
        return Child(function, args, keywords, restart, name or name_of(function))

    def _check_open(self) -> None:
        if not self._entered:
            raise RuntimeError(
                "this Supervisor was not entered yet; start functions inside of "
                "`async with giambio.Supervisor() as supervisor:`"
            )
        try:
            self._manager._check_open()
        except RunFinishedError:
            raise RunFinishedError(
                "this Supervisor's block was left already; start functions while it is open"
            ) from None

    # -- keeping -----------------------------------------------------------------------

    async def _keep(
        self, child: Child, first: Any = None, task_status: TaskStatus[Any] | None = None
    ) -> None:
        """Have a function run, again and again, until it has ended for good."""
        try:
            while True:
                began = current_time()
                error: Exception | None = None
                cut_short = False
                try:
                    cut_short = await self._call(child, first, task_status)
                except Exception as exc:
                    if child not in self._children or current_effective_deadline() == -inf:
                        raise  # it has never been ready, or the block is cancelled
                    error = user_part(exc)
                first = task_status = None
                if error is not None and stopping():
                    raise error
                if current_time() - began >= self._period:
                    child.failures = 0
                if not await self._begins_anew(child, error, cut_short):
                    break
        finally:
            self._children.pop(child, None)
            child.held = False
            child.rests.set()
            release_next(child.take_followers())

    async def _call(self, child: Child, first: Any, task_status: TaskStatus[Any] | None) -> bool:
        """Call a function once, in a task and a context of its own.

        Returns:
            Whether it was cancelled, to begin anew.
        """
        async with TaskManager(strict=False) as manager:
            child.scope = manager.cancel_scope
            context = child.context.copy()
            if child.reports:
                value = await manager.start(child.report, name=child.name, context=context)
                if task_status is not None:
                    task_status.started(value)
            else:
                call = child.call() if first is None else first
                manager.start_soon(call, name=child.name, context=context)
            self._children[child] = None
            if not child.held:
                release_next(child.take_followers())
        return manager.cancel_scope.cancelled_caught

    async def _begins_anew(self, child: Child, error: Exception | None, cut_short: bool) -> bool:
        """Decide what follows when a function has ended, and wait until it may begin anew.

        Returns:
            False if it has ended for good.
        """
        if stopping():
            return False
        if child.held:
            # For the sake of another one. If it had come to its end by itself, that counts.
            if error is not None:
                self._report(child.name, error, None)
            wanted = child.restart != "temporary"
            if not wanted or not (cut_short or error or child.restart == "permanent"):
                return False
        elif child.restart == "temporary":
            if error is not None:
                self._report(child.name, error, None)
            return False
        elif error is None and child.restart == "transient":
            return False
        else:
            self._count(child, error)
            pause = self._backoff.pause(child.failures)
            child.failures += 1
            self._report(child.name, error, pause)
            error = None
            await self._conduct(child, pause)
        return await rest(child)

    def _count(self, child: Child, error: Exception | None) -> None:
        """Count a restart.

        Raises:
            RestartLimitExceeded: it is one too many.
        """
        if self._max_restarts is None:
            return
        now = current_time()
        while self._restarts and self._restarts[0] <= now - self._period:
            self._restarts.popleft()
        self._restarts.append(now)
        if len(self._restarts) > self._max_restarts:
            how = "returned" if error is None else f"failed with {error!r}"
            raise RestartLimitExceeded(
                f"{child.name} has {how}, and does not begin anew: max_restarts allows "
                f"{self._max_restarts} restarts within {self._period:g} seconds"
            ) from error

    def _report(self, name: str, error: Exception | None, seconds: float | None) -> None:
        """Tell `on_restart` that a function has ended."""
        result = self._on_restart(name, error, seconds)
        if is_awaitable(result):
            discard(result)
            raise TypeError(
                "Supervisor() needs a plain function for on_restart, not an async one: "
                f"{name_of(self._on_restart)}() returned {result!r}"
            )

    async def _conduct(self, child: Child, pause: float) -> None:
        """Hold those who begin anew with a function, wait, and release them all in their turn."""
        with cancel_on_stop() as child.scope:
            mates = [mate for mate in self._mates(child) if mate is not child]
            for mate in mates:
                mate.hold(f"{child.name} begins anew")
            for mate in mates:
                await mate.rests.wait()
            await sleep(pause)
        if not (child.held or stopping()):
            child.scope = None
            child.hold("it waits for its turn")
            release_next(deque(self._mates(child)))

    def _mates(self, child: Child) -> Iterator[Child]:
        """Yield those who begin anew when a function has ended, itself included, in order."""
        if self._strategy == "one_for_one":
            yield child
            return
        found = self._strategy == "one_for_all"
        for mate in list(self._children):
            found = found or mate is child
            if found:
                yield mate


class Child:
    """A function that is supervised."""

    def __init__(
        self,
        function: Callable[..., Awaitable[object]],
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        restart: str,
        name: str,
    ) -> None:
        self.function = function
        self.args = args
        self.keywords = keywords
        self.restart = restart
        self.name = name
        self.context = contextvars.copy_context()
        #: Whether it is called with `task_status`.
        self.reports = False
        #: How often it has failed since it was well.
        self.failures = 0
        #: What a restart of another function cuts short: the call, or the pause.
        self.scope: CancelScope | None = None
        #: Whether it is held, whether it has come to rest then, and whether it was released.
        self.held = False
        self.rests = Event()
        self.released = Event()
        #: Those who are to be released when it is ready.
        self.followers: deque[Child] = deque()

    def call(self, **more: Any) -> Awaitable[object]:
        """Call the function.

        Raises:
            TypeError: the result cannot be awaited.
        """
        awaitable: object = self.function(*self.args, **self.keywords, **more)
        if not is_awaitable(awaitable):
            raise TypeError(
                f"a Supervisor needs an async function, but {name_of(self.function)}() returned "
                f"{awaitable!r}, which cannot be awaited; define it with `async def`"
            )
        return awaitable  # type: ignore[return-value]

    async def report(self, task_status: TaskStatus[Any]) -> None:
        """Call a function that reports when it is ready."""
        await self.call(task_status=task_status)

    def hold(self, reason: str) -> None:
        """Cut it short, and have it rest until it is released."""
        self.followers = deque()  # they are held, too
        if not self.held:
            self.held = True
            self.rests = Event()
            self.released = Event()
            if self.scope is not None:
                self.scope.cancel(reason)

    def take_followers(self) -> deque[Child]:
        """Return those who are to be released next, and forget them."""
        followers, self.followers = self.followers, deque()
        return followers


def release_next(children: deque[Child]) -> None:
    """Release the first of them; it will release the next one."""
    while children:
        first = children.popleft()
        if first.held:  # otherwise it has ended for good
            first.followers = children
            first.held = False
            first.released.set()
            break


async def rest(child: Child) -> bool:
    """Wait until a function is not held.

    Returns:
        False if it was asked to stop instead.
    """
    with cancel_on_stop():
        while child.held:
            child.rests.set()
            await child.released.wait()
    return not stopping()


def check_choice(what: str, name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise `ValueError` unless a value is one of several words."""
    if value not in choices:
        words = ", ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"{what} needs one of {words} for {name}, not {value!r}")


def log_restart(name: str, error: Exception | None, seconds: float | None) -> None:
    """Log that a function has ended."""
    how = "has returned" if error is None else "has failed"
    then = "" if seconds is None else f", and begins anew in {seconds:.2f} s"
    log.warning("%s %s%s", name, how, then, exc_info=error)


final(
    Supervisor,
    "(*, strategy='one_for_one', max_restarts=3, period=5.0, backoff=None, on_restart=None)",
)
