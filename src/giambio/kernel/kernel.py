"""The kernel: it steps tasks until they park, and waits when no task can run.

It knows five things: a run queue, the timers, a driver, what to do when it is idle,
and the three ways in which a task moves (see `run_queue`). All its state is on the
object, none in a local variable of a running loop, so it can be driven turn by turn
from outside, looked at by tools, and thrown away by a forked child.
"""

from __future__ import annotations

import contextvars
import sys
from collections import deque
from collections.abc import Callable
from math import inf
from threading import get_ident
from typing import Any, TypeVarTuple, Unpack

from giambio import drivers
from giambio.arguments import check_number, check_seconds
from giambio.drivers.driver import Driver
from giambio.errors import RunFinishedError
from giambio.kernel import (
    constants,
    current,
    current_library,
    free_list,
    random_schedule,
    step,
)
from giambio.kernel import guest as guests
from giambio.kernel.callbacks import Handle
from giambio.kernel.clock import Clock, checked_clock
from giambio.kernel.closed_from_outside import note_fork
from giambio.kernel.coroutines import discard
from giambio.kernel.counters import Counters
from giambio.kernel.guest import Guest
from giambio.kernel.hooks import Hook
from giambio.kernel.idle import Idle
from giambio.kernel.listeners import Listeners
from giambio.kernel.run_queue import BaseTask, Park, RunQueue
from giambio.kernel.system_clock import system_time
from giambio.kernel.timers import Timers
from giambio.kernel.tracebacks import is_ours, modules_of, user_part
from giambio.kernel.wakeup import Wakeup

__all__ = ["Kernel"]

Ts = TypeVarTuple("Ts")

#: For how many seconds tasks and callbacks may run, at the most, while the driver is not asked.
SECONDS_UNASKED = 0.0005
#: Of a time that is not yet known; a number of C's when compiled.
NEVER = inf


class Kernel:
    """Run queue, timers, driver, and the traps of tasks."""

    __slots__ = (
        "__weakref__",
        "_clock",
        "_clock_now",
        "_counters",
        "_asyncgen_hooks",
        "_failure",
        "_forked",
        "_inbox",
        "_listeners",
        "_random",
        "_thread",
        "_torn",
        "_timers",
        "_unasked",
        "_unasked_until",
        "_wakeup",
        "_numbers",
        "_budget",
        "_closed",
        "_driver",
        "_driver_choice",
        "_external",
        "_guest",
        "_main",
        "_queue",
        "_idle",
        "_running",
        "_services",
        "_steps_for",
        "_strict",
    )

    def __init__(
        self,
        driver: str | Driver | None = None,
        clock: Any = None,
        strict: bool = False,
        seed: int | None = None,
    ) -> None:
        self._queue = RunQueue()
        if driver is not None:
            drivers.check_choice(driver)
        self._driver_choice = driver
        self._driver: Driver | None = None
        self._wakeup = Wakeup()
        self._clock: Any = Clock() if clock is None else checked_clock(clock)
        # How to ask a clock of the program's own; the system's is asked without a method.
        self._clock_now: Any = None if type(self._clock) is Clock else self._clock.now
        self._timers = Timers()
        self._idle = Idle(self._clock, self._timers)
        self._running: BaseTask | None = None
        self._budget = 0
        # The main `Task`, while there is a run. Errors of callbacks and hooks are raised in it.
        self._main: Any = None
        self._failure: BaseException | None = None
        # Filled by other threads and by signal handlers: appending is atomic.
        self._inbox: deque[Handle] = deque()
        # Who hears of what happens, from the first hook on.
        self._listeners: Listeners | None = None
        # The loop of another library that runs on this one, while it does; and the same once it
        # wants to know of each step.
        self._guest: Guest | None = None
        self._steps_for: Guest | None = None
        # Objects that the rooms above keep per loop, such as the receive buffer.
        self._services: dict[str, Any] = {}
        self._strict = strict
        self._closed = False
        # (firstiter, finalizer) to install in the thread while the loop runs.
        self._asyncgen_hooks: tuple[Any, Any] | None = None
        self._forked = False
        self._thread = 0
        # Whether a signal handler may have raised in the middle of our own work.
        self._torn = False
        self._numbers = 0
        # Makes the schedule random, and the same for the same seed.
        self._random: Any = random_schedule.make_random(seed)
        # The number of blocks of `external_wakeups` that are open.
        self._external = 0
        # How many items have run since the driver was asked, and until when it need not be.
        self._unasked = 0
        self._unasked_until = NEVER
        self._counters = Counters()

    # -- time and callbacks ---------------------------------------------------

    def current_time(self) -> float:
        """Return the time of the loop's clock, in seconds; only differences mean anything.

        Example:
            >>> import giambio
            >>> giambio.EventLoop().current_time() > 0
            True
        """
        return system_time() if self._clock_now is None else self._clock_now()

    def _add_timer(self, deadline: float, waiter: Any) -> None:
        """Notify a waiter at a time of the clock; see `Timers.add`."""
        self._timers.add(deadline, waiter)

    def _remove_timer(self, waiter: Any) -> None:
        """Forget the timer of a waiter; harmless if it has fired, or there was none."""
        self._timers.remove(waiter)

    def _has_timer(self, waiter: Any) -> bool:
        """Return whether a waiter has a timer that has not fired."""
        return self._timers.holds(waiter)

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: Unpack[Ts],
        context: contextvars.Context | None = None,
    ) -> Handle:
        """Call a plain function in the loop's next turn.

        Parameters:
            callback: a function. Its result is dropped; its exception is raised in
                the main task.
            args: its arguments.
            context: the context to run it in; a copy of the caller's by default.

        Returns:
            A `Handle`, with which it can be cancelled.

        Raises:
            TypeError: `callback` is not callable, or an async function.
            RunFinishedError: the loop is closed.

        Not a checkpoint; only from the loop's own thread.

        Example:
            >>> import giambio
            >>> async def main():
            ...     giambio.current_loop().call_soon(print, "called")
            ...     await giambio.checkpoint()
            >>> giambio.run(main)
            called
        """
        self._check_open()
        handle = Handle(callback, args, copy_or(context))
        self._queue.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: Unpack[Ts],
        context: contextvars.Context | None = None,
    ) -> Handle:
        """Call a plain function at a time of the loop's clock.

        Parameters:
            when: the time in seconds, as `current_time` tells it.
            callback: see `call_soon`, as the rest.
            args: its arguments.
            context: the context to run it in.

        Returns:
            A `Handle`, with which it can be cancelled.

        Raises:
            TypeError: `callback` is not callable, or async, or `when` is not a number.
            ValueError: `when` is not a time (NaN).
            RunFinishedError: the loop is closed.

        Not a checkpoint; only from the loop's own thread.

        Example:
            >>> import giambio
            >>> async def main():
            ...     loop = giambio.current_loop()
            ...     loop.call_at(loop.current_time() + 0.01, print, "later")
            ...     await giambio.sleep(0.05)
            >>> giambio.run(main)
            later
        """
        self._check_open()
        check_number("call_at()", "when", when)
        return Handle(callback, args, copy_or(context), self, float(when))

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: Unpack[Ts],
        context: contextvars.Context | None = None,
    ) -> Handle:
        """Call a plain function after some seconds; see `call_at`.

        Parameters:
            delay: seconds from now.
            callback: see `call_soon`, as the rest.
            args: its arguments.
            context: the context to run it in.

        Returns:
            A `Handle`, with which it can be cancelled.

        Raises:
            TypeError: `callback` is not callable, or async, or `delay` is not a number.
            ValueError: `delay` is not a number of seconds (NaN).
            RunFinishedError: the loop is closed.

        Not a checkpoint; only from the loop's own thread.

        Example:
            >>> import giambio
            >>> async def main():
            ...     giambio.current_loop().call_later(0.01, print, "later")
            ...     await giambio.sleep(0.05)
            >>> giambio.run(main)
            later
        """
        check_number("call_later()", "delay", delay)
        when = self.current_time() + float(delay)
        return self.call_at(when, callback, *args, context=context)

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: Unpack[Ts],
        context: contextvars.Context | None = None,
    ) -> Handle:
        """Call a plain function as `call_soon` does, from any thread or a signal handler.

        Parameters:
            callback: see `call_soon`, as the rest.
            args: its arguments.
            context: the context to run it in.

        Returns:
            A `Handle`, with which it can be cancelled.

        Raises:
            TypeError: `callback` is not callable, or an async function.
            RunFinishedError: the loop is closed.

        Not a checkpoint.

        Example:
            >>> import giambio, threading
            >>> async def main():
            ...     loop = giambio.current_loop()
            ...     args = (print, "from a thread")
            ...     threading.Thread(target=loop.call_soon_threadsafe, args=args).start()
            ...     await giambio.sleep(0.1)
            >>> giambio.run(main)
            from a thread
        """
        self._check_open()
        return self._hand_in(Handle(callback, args, copy_or(context)))

    def _hand_in(self, handle: Handle) -> Handle:
        """Schedule a callback from any thread, and wake the loop."""
        self._inbox.append(handle)
        self._wakeup.send()
        return handle

    def _hand_over(self, handle: Handle) -> bool:
        """Schedule a callback from any thread, in a run that may end at any moment.

        Returns:
            False if it has ended; then the callback is cancelled, unless it was called just now.
        """
        self._hand_in(handle)
        if self._is_begun():  # looked at only now
            return True
        handle.cancel()
        return False

    def _is_begun(self) -> bool:
        """Return whether there is a run, which ends itself. For any thread."""
        return self._driver is not None

    # -- tasks ----------------------------------------------------------------

    def _next_number(self) -> int:
        """Return a number for a new task."""
        self._numbers += 1
        return self._numbers

    def _has_work(self) -> bool:
        """Return whether there is something to run."""
        return self._queue.length != 0 or bool(self._inbox)

    def _roots(self) -> list[Any]:
        """Return the tasks without a parent: the main task, and those of the layer above."""
        return [] if self._main is None or self._main._context is None else [self._main]

    def _add_task(self, task: BaseTask) -> None:
        """Take a new task on. Its supervisor holds it already, so nothing may fail before."""
        self._queue.append(task)
        if self._listeners is not None:
            self._listeners.spawned(task)

    # -- park, wake, interrupt --------------------------------------------------

    def _wake(self, task: BaseTask, park: Park) -> bool:
        """Let a task run again that waits in `park`.

        Returns:
            False if it is no longer in that park: then nothing happens.
        """
        if task._parked is not park:
            return False
        task._parked = None
        task._asked = None
        task._aborted = None
        self._queue.append(task)
        if self._listeners is not None:
            self._listeners.woken(task)
        return True

    def _interrupt(self, task: BaseTask) -> None:
        """Get a task out of its park, so that it can be told that it is cancelled.

        A task that is not parked is told at its next checkpoint, by `pending`.
        """
        park = task._parked
        if park is None or task._asked is park or task._aborted is park:
            return
        if park.repeatable() and not self._abort(task, park):
            return
        task._aborted = park
        self._queue.append(task)

    def _abort(self, task: BaseTask, park: Park) -> bool:
        """Have a park aborted.

        Returns:
            Whether the task is out of it now, and is to be told.
        """
        aborted = park.abort()
        if task._parked is not park:
            return False  # the operation used the occasion to wake the task
        if not aborted:
            task._asked = park
            return False
        task._parked = None
        if self._listeners is not None:
            self._listeners.cancelled(task)
        return True

    def _deliver_interruption(self, task: BaseTask) -> bool:
        """Set the exception for a task that has its turn because it was interrupted.

        Returns:
            False if it has not left its park: then it is not to be stepped.
        """
        park = task._aborted
        task._aborted = None
        if task._parked is not None:
            if park is None:
                return False  # withdrawn
            try:
                if not self._abort(task, park):
                    return False
            except BaseException as exc:
                task._parked = None
                task._thrown = user_part(exc)
                return True
        if park is not None:
            task._thrown = park.interruption(task)
        return True

    def _inject(self, task: BaseTask, exc: BaseException) -> None:
        """Raise an exception in a task, at the park it is in or at the next one."""
        if task._injected is None:
            task._injected = []
        task._injected.append(exc)
        task._pending = True
        task._asked = None
        self._interrupt(task)

    def _crash(self, exc: BaseException) -> None:
        """Raise an exception that belongs to no task in the main task."""
        main = self._main
        if main is None:
            self._failure = exc
        else:
            self._inject(main, exc)

    def _stop_between_steps(self, exc: BaseException) -> None:
        """Raise an exception out of the loop itself, before the next step."""
        self._failure = exc

    def _is_torn(self) -> bool:
        """Return whether a signal handler may have raised in the middle of our own work.

        Then what looks like a mistake of the program (a block that it has not left) may be ours.
        Only interpreted code can be interrupted there; some of it is called by compiled code.
        """
        wakeup = self._wakeup
        if not self._torn and wakeup.on_signals is not None:
            wakeup.drain()  # the signal may have come just now
        return self._torn

    # -- turns -----------------------------------------------------------------

    def turn(self, timeout: float = inf) -> None:
        """Do one turn: run tasks and callbacks, then due timers, then ask the driver.

        Parameters:
            timeout: for how many seconds it may wait when there is nothing to do;
                by default until there is something.

        Raises:
            RuntimeError: the loop has not begun, or another one runs in this
                thread, or the process has forked since.
            TypeError, ValueError: `timeout` is not a number of seconds.

        Example:
            >>> import giambio
            >>> loop = giambio.EventLoop()
            >>> task = loop.begin(giambio.sleep, 0.01)
            >>> while not task.done():
            ...     loop.turn()
            >>> loop.end()
        """
        check_seconds("turn()", "timeout", timeout)
        self.driver_wait(min(timeout, self.run_ready()))
        self.deliver()

    def run_ready(self) -> float:
        """Do the first part of a turn: run the tasks and callbacks that are ready or due.

        Returns:
            For how many seconds the driver may wait now; infinity without a deadline.

        Raises:
            RuntimeError: as `turn`.

        Example:
            >>> import giambio
            >>> loop = giambio.EventLoop()
            >>> task = loop.begin(giambio.sleep, 0.01)
            >>> while not task.done():
            ...     loop.driver_wait(loop.run_ready())
            ...     loop.deliver()
            >>> loop.end()
        """
        previous = self._enter()
        try:
            self._run_ready()
            main = self._main
            if main is not None and main._context is None:
                return 0.0  # it has ended: nobody wants to wait
            timeout = self._timeout()
        finally:
            self._leave(previous)
        return NEVER if timeout < 0 else timeout

    def driver_wait(self, timeout: float) -> None:
        """Do the second part of a turn: wait for events. May run in another thread.

        Parameters:
            timeout: the result of `run_ready`, or less.

        Raises:
            RuntimeError: as `turn`.
            TypeError, ValueError: `timeout` is not a number of seconds.

        Example:
            >>> import giambio
            >>> loop = giambio.EventLoop()
            >>> task = loop.begin(giambio.sleep, 0.01)
            >>> while not task.done():
            ...     loop.driver_wait(loop.run_ready())
            ...     loop.deliver()
            >>> loop.end()
        """
        check_seconds("driver_wait()", "timeout", timeout)
        driver = self._driver
        if driver is None:
            raise self._not_begun()
        self._wait(driver, -1.0 if timeout == NEVER else timeout)

    def deliver(self) -> None:
        """Do the third part of a turn: report the events that `driver_wait` collected.

        Raises:
            RuntimeError: as `turn`.

        Example:
            >>> import giambio
            >>> loop = giambio.EventLoop()
            >>> task = loop.begin(giambio.sleep, 0.01)
            >>> while not task.done():
            ...     loop.driver_wait(loop.run_ready())
            ...     loop.deliver()
            >>> loop.end()
        """
        previous = self._enter()
        try:
            self._driver.deliver()  # type: ignore[union-attr]  # `enter` has looked
            if self._idle.is_watched():
                self._check_idle()
        finally:
            self._leave(previous)

    def _run_until_exit(self, task: Any, exited: Callable[[], bool] | None = None) -> None:
        """Turn until a task has ended, or until `exited` returns True."""
        previous = self._enter()
        try:
            while not (task._context is None if exited is None else exited()):
                self._unasked += self._queue.length
                self._run_ready()
                if self._queue.length == 0:
                    if task._context is None if exited is None else exited():
                        break
                elif self._may_go_on():
                    continue
                self._unasked = 0
                self._unasked_until = NEVER
                driver = self._driver
                if driver is None:
                    raise self._not_begun()
                self._wait(driver, self._timeout())
                driver.deliver()
                if self._idle.is_watched():
                    self._check_idle()
        finally:
            del task, exited  # as in `_step`
            self._leave(previous)

    def _wait(self, driver: Driver, timeout: float) -> None:
        """Have the driver wait, and note how long the loop has run, and has waited."""
        if self._thread == 0:  # the time since the last turn was the program's own
            self._counters.begin()
        else:
            self._counters.note()
        self._counters.waits = True
        driver.wait(timeout)
        self._counters.note()

    def _may_go_on(self) -> bool:
        """Return whether the run queue may go on before the driver is asked again.

        Asking costs a system call, more than most steps do: a task that is spawned and joined
        is spared two of them. Events wait meanwhile, so there is a limit both to the number of
        items, as in tokio (`event_interval`), and to the time, for steps that compute.
        """
        if self._unasked >= constants.MOST_UNASKED:
            return False
        now: float = self.current_time()
        if self._unasked_until == NEVER:
            self._unasked_until = now + SECONDS_UNASKED
        elif now >= self._unasked_until:
            return False
        self._idle.end()
        return True

    def _enter(self) -> Any:
        """Become the running loop of this thread.

        Returns:
            The argument for `_leave`.
        """
        if self._driver is None:
            raise self._not_begun()
        check_no_loop_runs()
        previous = sys.get_asyncgen_hooks(), current_library.swap(current_library.NAME)
        try:
            if self._asyncgen_hooks is not None:
                sys.set_asyncgen_hooks(*self._asyncgen_hooks)
            self._thread = get_ident()
            self._counters.begin()
            current.swap(self)
            free_list.begin()
            if self._guest is not None:
                self._guest._entered()
        except BaseException:  # memory is short, and the loop must not look as if it ran
            self._leave(previous)
            raise
        return previous

    def _leave(self, previous: Any) -> None:
        """Stop being the running loop of this thread."""
        if self._guest is not None:
            self._guest._left()
        free_list.end()
        self._counters.note()
        self._thread = 0
        if current.get() is self:
            current.swap(None)
        asyncgen_hooks, name = previous
        sys.set_asyncgen_hooks(*asyncgen_hooks)
        current_library.swap(name)

    def _in_own_thread(self) -> bool:
        """Return whether the caller may touch the loop: its thread, or it is not running."""
        return self._thread == 0 or self._thread == get_ident()

    def _run_ready(self) -> None:
        """Run the items that are ready now, but not the items that they make ready."""
        queue = self._queue
        inbox = self._inbox
        self._counters.turns += 1
        if self._listeners is not None:
            self._listeners.turn_began()
        if inbox:
            for _ in range(len(inbox)):
                queue.append(inbox.popleft())
        if self._random is not None:
            queue.shuffle(self._random)
        count = queue.length
        while count > 0:
            count -= 1
            if self._failure is not None:
                self._raise_failure()
            item = queue.pop()
            if item is None:
                break
            if item._is_task:
                self._step(item)  # type: ignore[arg-type]
                item = None
            elif self._listeners is not None:
                self._call(self._listeners, item)
            else:
                try:
                    item._run()
                except BaseException as exc:
                    self._callback_failed(item, exc)
        if self._failure is not None:
            self._raise_failure()
        if not self._timers.is_empty():
            self._timers.fire(self.current_time())
        if self._listeners is not None:
            self._listeners.turn_ended()

    def _call(self, listeners: Listeners, handle: Any) -> None:
        """Run a callback, and tell the hooks of it."""
        began = listeners.callback_began(handle)
        try:
            handle._run()
        except BaseException as exc:
            self._callback_failed(handle, exc)
        finally:
            listeners.callback_ended(began)

    def _callback_failed(self, handle: Any, exc: BaseException) -> None:
        """Raise the exception of a callback in the main task.

        Raises:
            BaseException: a signal handler has raised it, around a callback of ours. Somebody waits
                for what that was to do, so the loop ends.
        """
        if handle._is_ours() and self._is_torn() and not all(map(is_ours, modules_of(exc))):
            handle._drop()
            raise exc
        self._crash(user_part(exc))

    def _step(self, task: BaseTask) -> None:
        """Run a task until it parks, yields or ends."""
        if task._context is None:
            return  # it has ended
        interrupted = task._aborted is not None or task._parked is not None
        if interrupted and not self._deliver_interruption(task):
            return
        self._budget = constants.BUDGET
        if self._random is not None:
            self._budget = self._random.choice(random_schedule.BUDGETS)
        if self._listeners is not None:
            self._listeners.before_step(task)
        counters = self._counters
        counters.steps += 1
        task._since = counters.since
        began: float = system_time() if counters.times_steps else 0.0
        self._running = task
        if self._steps_for is not None:
            self._steps_for._before_step(task)
        while True:
            how = step.step(task)
            if how == constants.PARKED:
                if task._thrown is None:
                    if task._parked is not None or task._queued:
                        break
                    # It has stepped an operation that does not wait for it.
                    task._thrown = RuntimeError(
                        "a giambio task awaited an operation that waits for another task, or "
                        "passed on by hand what one has yielded; an operation is awaited once"
                    )
                # An operation has an error that is to be raised at its await.
            elif how == constants.FOREIGN:
                if self._take_foreign(task):
                    break
            else:
                self._end(task, how == constants.RAISED)
                break
            # Errors cost the budget too: a task that catches them all must not starve others.
            self._budget -= 1
            if self._budget < -constants.BUDGET:
                self._queue.append(task)
                break
        self._running = None
        if self._steps_for is not None:
            self._steps_for._after_step(task)
        if began != 0.0:
            task._add_time(began)
        if self._listeners is not None:
            self._listeners.after_step(task)
        del task  # a failed frame holds this one by its `f_back`, from 3.12 on

    def _step_inside(self, task: BaseTask) -> None:
        """Run a task at once, inside of the step of another one, or of a callback."""
        running = self._running
        budget = self._budget
        try:
            if self._listeners is not None:
                self._listeners.spawned(task)
            self._step(task)
        finally:
            self._running = running
            self._budget = budget

    def _end(self, task: BaseTask, failed: bool) -> None:
        """Settle a task whose coroutine has ended."""
        self._running = None  # no task runs while others are told
        task._parked = None  # it may have driven an operation by hand
        if failed:
            task._outcome = user_part(task._outcome)
            discard(task._coro)  # if its context could not be entered, it never began
        task._exited(failed)
        if self._guest is not None:
            self._guest._exited(task)
        if self._listeners is not None:
            self._listeners.exited(task)

    def _take_foreign(self, task: BaseTask) -> bool:
        """Have the guest park a task whose coroutine yielded an object that is not ours.

        Returns:
            True if the task waits for it now.
        """
        foreign = task._outcome
        task._outcome = None
        if self._guest is not None:
            try:
                if self._guest._take(task, foreign):
                    if task._pending:
                        self._interrupt(task)
                    return True
            except BaseException as exc:
                task._parked = None
                task._thrown = user_part(exc)
                return False
        task._thrown = TypeError(
            f"a giambio task awaited something that is not giambio's: {foreign!r}; "
            "an awaitable of another library needs that library's loop"
        )
        return False

    def _timeout(self) -> float:
        """Return how long the driver may wait; below zero: for ever."""
        if self._failure is not None or self._has_work():
            return 0.0
        return self._idle.timeout()

    def _check_idle(self) -> None:
        """Report to `Idle` whether the driver has waited in vain."""
        if not self._has_work():
            self._idle.look()
        if self._has_work():
            self._idle.end()

    def _raise_failure(self) -> None:
        failure = self._failure
        self._failure = None
        if failure is not None:
            raise failure

    # -- hooks -------------------------------------------------------------------

    def add_hook(self, hook: Hook) -> None:
        """Call a tool's hook from now on; see `Hook`.

        Parameters:
            hook: an instance of a subclass of `Hook`.

        Raises:
            TypeError: it is not.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.EventLoop().add_hook(giambio.Hook())
        """
        if not isinstance(hook, Hook):
            raise TypeError(f"add_hook() needs an instance of giambio.Hook, not {hook!r}")
        if self._listeners is None:
            self._listeners = Listeners(self)
        self._listeners.set((*self._listeners.hooks, hook))

    def remove_hook(self, hook: Hook) -> None:
        """Stop calling a hook.

        Parameters:
            hook: one that was added.

        Raises:
            ValueError: it was not, or is removed already.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> loop, hook = giambio.EventLoop(), giambio.Hook()
            >>> loop.add_hook(hook)
            >>> loop.remove_hook(hook)
        """
        hooks = [] if self._listeners is None else list(self._listeners.hooks)
        if self._listeners is None or hook not in hooks:
            raise ValueError("remove_hook(): this hook was not added")
        hooks.remove(hook)
        self._listeners.set(tuple(hooks))

    # -- set-up and tear-down ----------------------------------------------------

    def _open(self, guest: Guest | None = None) -> None:
        """Open the driver and the wakeup; nothing before this has a descriptor.

        Parameters:
            guest: whose loop this one is; by default it gets a guest if there is one.
        """
        self._check_open()
        self._forked = False
        self._driver = drivers.create(self._driver_choice)
        try:
            self._wakeup.open(self._driver)
            if guest is not None:
                self._guest = guest
            elif guests.invite is not None:
                guests.invite(self)
        except BaseException:
            self._release()
            raise

    def _release(self) -> None:
        """Release everything that `_open` opened, also if releasing a part of it fails."""
        driver = self._driver
        if driver is not None:
            try:
                self._end_services(False)
            finally:
                try:
                    self._wakeup.close()
                finally:
                    self._guest = self._steps_for = None
                    self._driver = None
                    driver.close()

    def _end_services(self, forked: bool) -> None:
        """Report the end of the driver to the services that have a method `loop_ended`.

        In a forked child their registrations with it are the parent's.

        Raises:
            BaseException: a service raised it; the others have got their report.
        """
        failure: BaseException | None = None
        for service in list(self._services.values()):
            if hasattr(service, "loop_ended"):
                try:
                    service.loop_ended(forked)
                except BaseException as exc:
                    failure = failure or exc
        try:
            if failure is not None:
                raise failure
        finally:
            del failure

    def _after_fork(self) -> None:
        """Give up the resources of the parent, in a forked child."""
        driver = self._driver
        if driver is None:
            return
        self._forked = True
        self._end_services(True)
        self._guest = self._steps_for = None
        self._driver = None
        self._wakeup.close(forked=True)
        driver.close(True)
        if current.get() is self:
            current.swap(None)
            note_fork()
            self._failure = self._not_begun()  # no other task may run in the child

    def _run_inbox(self) -> None:
        """Call the callbacks of other threads, before the loop ends."""
        previous = self._enter()
        try:
            for _ in range(len(self._inbox)):
                handle = self._inbox.popleft()
                try:
                    handle._run()
                except BaseException as exc:
                    self._callback_failed(handle, exc)
        finally:
            self._leave(previous)

    def _undelivered(self) -> list[BaseException]:
        """Return the exceptions for the main task that came too late for it."""
        main = self._main
        return list(main._injected or ()) if main is not None else []

    def _drop_everything(self) -> None:
        """Forget all tasks, callbacks and timers, to be able to start anew."""
        dropped = self._queue.clear()
        # A thread that has seen the loop run puts its callback here, and looks once more. Taking
        # them is done in turn with that, even if there is none.
        try:
            while True:
                dropped.append(self._inbox.popleft())
        except IndexError:
            pass
        self._timers.clear()
        self._running = None
        self._main = None
        self._failure = None
        self._idle.forget()
        self._external = 0
        self._torn = False
        for handle in dropped:
            handle._drop()

    def _check_open(self) -> None:
        if self._closed:
            raise RunFinishedError("this loop is closed; make a new EventLoop()")

    def _not_begun(self) -> RuntimeError:
        if self._forked:
            return RuntimeError(
                "this loop was running when the process forked: its descriptors belong to "
                "the parent; start a new EventLoop() in the child, or use giambio.run()"
            )
        return RuntimeError("this loop has not begun; call loop.start(main) or loop.begin(main)")


def check_no_loop_runs() -> None:
    """Raise if this thread is running a loop.

    Raises:
        RuntimeError: it is.
    """
    if current.get() is not None:
        raise RuntimeError(
            "this thread is running a loop already; await what you need, or "
            "spawn it in a TaskManager, instead of running a loop inside a loop"
        )


def copy_or(context: contextvars.Context | None) -> contextvars.Context:
    """Return the context to run in: the one given, or a copy of the caller's.

    Raises:
        TypeError: it is no context.
    """
    if context is None:
        return contextvars.copy_context()
    if not isinstance(context, contextvars.Context):
        raise TypeError(f"context= needs a contextvars.Context, not {context!r}")
    return context
