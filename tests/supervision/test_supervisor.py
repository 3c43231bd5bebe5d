"""`Supervisor`: what begins anew, when, with whom, and what ends it."""

from __future__ import annotations

import contextvars
import gc
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import giambio
from giambio.testing import VirtualClock

Run = Callable[..., Any]

NO_PAUSE = giambio.Backoff(initial=0)


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait."""
    return partial(run, clock=VirtualClock())


class Story:
    """What happened, and when: lives that begin and end, and what is reported."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str]] = []

    def note(self, text: str) -> None:
        self.events.append((round(giambio.current_time(), 6), text))

    def report(self, name: str, error: Exception | None, seconds: float | None) -> None:
        self.note(f"{name}: {error!r}, {seconds}")

    async def live(self, who: str, seconds: float, failures: int = 0, cleaning: float = 0) -> None:
        """Fail after so many seconds, so many times; then last for a hundred."""
        begun = sum(text == f"{who} begins" for _, text in self.events)
        self.note(f"{who} begins")
        try:
            await giambio.sleep(seconds if begun < failures else 100)
            if begun < failures:
                raise ValueError(begun)
        finally:
            with giambio.CancelScope(shield=True):
                await giambio.sleep(cleaning)
            self.note(f"{who} ends")

    def texts(self) -> list[str]:
        return [text for _, text in self.events]


# -- what begins anew --------------------------------------------------------------------


def test_a_function_that_fails_begins_anew_with_the_same_arguments(run: Run) -> None:
    """Rule 28.1."""
    calls: list[Any] = []

    async def function(*args: object, **keywords: object) -> None:
        calls.append((args, keywords))
        if len(calls) < 3:
            raise ValueError

    async def main() -> None:
        async with giambio.Supervisor() as supervisor:
            supervisor.start_soon(function, 1, key=2)

    run(main)
    assert calls == [((1,), {"key": 2})] * 3


@pytest.mark.parametrize(
    ("restart", "fails", "lives"),
    [
        ("permanent", True, 4),
        ("permanent", False, 4),
        ("transient", True, 4),
        ("transient", False, 1),
        ("temporary", True, 1),
        ("temporary", False, 1),
    ],
)
def test_when_it_begins_anew(run: Run, restart: Any, fails: bool, lives: int) -> None:
    """Rule 28.2."""
    begun = 0

    async def function() -> None:
        nonlocal begun
        begun += 1
        await giambio.sleep(0.01)
        if fails:
            raise ValueError(begun)

    async def main() -> None:
        async with giambio.Supervisor() as supervisor:
            supervisor.start_soon(function, restart=restart)

    if lives == 1:
        run(main)
    else:
        with pytest.raises(giambio.RestartLimitExceeded) as caught:
            run(main)
        assert isinstance(caught.value.__cause__, ValueError) == fails
    assert begun == lives


def test_each_life_has_a_task_and_a_context_of_its_own(run: Run) -> None:
    """Rule 28.1."""
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []
    tasks = []

    async def function() -> None:
        seen.append(variable.get())
        tasks.append(giambio.current_task())
        variable.set("of a life before")
        if len(seen) < 3:
            raise ValueError

    async def main() -> None:
        variable.set("of the caller")
        async with giambio.Supervisor(backoff=NO_PAUSE) as supervisor:
            supervisor.start_soon(function, name="the function")

    run(main)
    assert seen == ["of the caller"] * 3
    assert len(set(tasks)) == 3
    assert {task.name for task in tasks} == {"the function"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_fails_the_block(run: Run, error: type[BaseException]) -> None:
    """Rule 28.3."""
    begun = []

    async def function() -> None:
        begun.append(1)
        raise error

    async def main() -> None:
        async with giambio.Supervisor() as supervisor:
            supervisor.start_soon(function, restart="permanent")
            supervisor.start_soon(giambio.sleep_forever)

    with pytest.raises(error):
        run(main)
    assert begun == [1]


def test_the_body_fails_the_block(run: Run) -> None:
    async def main() -> None:
        async with giambio.Supervisor() as supervisor:
            supervisor.start_soon(giambio.sleep_forever, restart="permanent")
            raise KeyError

    with pytest.raises(KeyError):
        run(main)


def test_a_cancelled_function_has_not_failed(run: Run) -> None:
    """Rule 28.3."""

    async def function() -> None:
        giambio.current_task().cancel()
        await giambio.sleep(1)

    async def main() -> None:
        async with giambio.Supervisor(max_restarts=0) as supervisor:
            supervisor.start_soon(function)

    run(main)


# -- the strategies ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "then"),
    [
        ("one_for_one", ["b ends", "b begins"]),
        (
            "one_for_all",
            ["b ends", "a ends", "c ends", "a begins", "b begins", "c begins"],
        ),
        ("rest_for_one", ["b ends", "c ends", "b begins", "c begins"]),
    ],
)
def test_strategies(run: Run, strategy: Any, then: list[str]) -> None:
    """Rule 28.4: those that begin anew are joined before, and begin in their order."""
    story = Story()

    async def main() -> None:
        pauses = giambio.Backoff(initial=1, jitter=0)
        async with giambio.Supervisor(
            strategy=strategy, backoff=pauses, on_restart=story.report
        ) as supervisor:
            supervisor.start_soon(story.live, "a", 1)
            supervisor.start_soon(story.live, "b", 2, 1, name="b")
            supervisor.start_soon(story.live, "c", 1, 0, 3)
            await giambio.sleep(50)
            supervisor.cancel()

    run(main)
    texts = story.texts()
    assert texts[:3] == ["a begins", "b begins", "c begins"]
    report = texts.index("b: ValueError(0), 1.0")
    del texts[report]
    assert texts[3 : 3 + len(then)] == then
    begun = story.events[story.texts().index("b begins", 3)][0]
    assert begun == (3 if strategy == "one_for_one" else 6)  # the pause, and c's clean-up


def test_two_that_fail_at_once_begin_anew_once(run: Run) -> None:
    """Rule 28.4: the error of the one that is held is reported, and is no restart of its own."""
    story = Story()

    async def main() -> None:
        async with giambio.Supervisor(
            strategy="one_for_all", max_restarts=1, backoff=NO_PAUSE, on_restart=story.report
        ) as supervisor:
            supervisor.start_soon(story.live, "a", 1, 1, name="a")
            supervisor.start_soon(story.live, "b", 1, 1, name="b")

    run(main)
    assert story.texts() == [
        *("a begins", "b begins", "a ends", "b ends"),
        *("a: ValueError(0), 0.0", "b: ValueError(0), None"),
        *("a begins", "b begins", "a ends", "b ends"),
    ]


def test_a_restart_is_part_of_one_that_includes_it(run: Run) -> None:
    """Rule 28.4: an earlier function fails while a later one waits to begin anew."""
    story = Story()

    async def main() -> None:
        async with giambio.Supervisor(
            strategy="rest_for_one",
            backoff=giambio.Backoff(initial=10, jitter=0),
            on_restart=story.report,
        ) as supervisor:
            supervisor.start_soon(story.live, "a", 5, 1, name="a")
            supervisor.start_soon(story.live, "b", 1, 1, name="b")
            supervisor.start_soon(story.live, "c", 1, name="c")

    run(main)
    assert story.events[3:] == [
        (1, "b ends"),
        (1, "b: ValueError(0), 10.0"),
        (1, "c ends"),
        (5, "a ends"),
        (5, "a: ValueError(0), 10.0"),
        *((15, f"{name} begins") for name in "abc"),
        *((115, f"{name} ends") for name in "abc"),
    ]


def test_one_that_has_come_to_its_end_does_not_begin_anew_with_others(run: Run) -> None:
    """Rule 28.4."""
    story = Story()

    async def brief() -> None:
        story.note("brief begins")
        with giambio.CancelScope(shield=True):
            await giambio.sleep(2)
        story.note("brief has done its work")

    async def main() -> None:
        async with giambio.Supervisor(
            strategy="one_for_all", backoff=NO_PAUSE, on_restart=story.report
        ) as supervisor:
            supervisor.start_soon(story.live, "a", 1, 1, name="a")
            supervisor.start_soon(brief)
            supervisor.start_soon(giambio.sleep_forever, restart="temporary")

    run(main)
    assert story.texts().count("brief begins") == 1
    assert story.texts().count("a begins") == 2


def test_what_fails_while_it_is_held_is_reported(run: Run) -> None:
    """Rule 28.5."""
    story = Story()

    async def fails_at_the_end() -> None:
        try:
            await giambio.sleep(50)
        except giambio.CancelledError:
            raise OSError("the clean-up") from None

    async def main() -> None:
        async with giambio.Supervisor(
            strategy="one_for_all", backoff=NO_PAUSE, on_restart=story.report
        ) as supervisor:
            supervisor.start_soon(story.live, "a", 1, 1, name="a")
            supervisor.start_soon(fails_at_the_end, name="b")

    run(main)
    assert "b: OSError('the clean-up'), None" in story.texts()


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_one_that_is_ready_late_holds_up_those_after_it(run: Run, strategy: Any) -> None:
    """Rule 28.4: a function that reports when it is ready lets the next one begin then."""
    story = Story()

    async def server(task_status: giambio.TaskStatus[str]) -> None:
        story.note("server begins")
        await giambio.sleep(5)
        task_status.started("ready")
        story.note("server is ready")
        await giambio.sleep(1 if story.texts().count("server begins") == 1 else 50)
        if story.texts().count("server begins") == 1:
            raise ValueError

    async def main() -> None:
        async with giambio.Supervisor(
            strategy=strategy, backoff=NO_PAUSE, on_restart=story.report
        ) as supervisor:
            assert await supervisor.start(server, name="server") == "ready"
            supervisor.start_soon(story.live, "client", 1)
            await giambio.sleep(20)
            supervisor.cancel()

    run(main)
    assert story.events == [
        (0, "server begins"),
        (5, "server is ready"),
        (5, "client begins"),
        (6, "server: ValueError(), 0.0"),
        (6, "client ends"),
        (6, "server begins"),
        (11, "server is ready"),
        (11, "client begins"),
        (25, "client ends"),
    ]


def test_one_that_fails_before_it_is_ready_begins_anew_with_those_after_it(run: Run) -> None:
    """Rule 28.4."""
    story = Story()

    async def server(task_status: giambio.TaskStatus[None]) -> None:
        begun = story.texts().count("server begins")
        story.note("server begins")
        if begun == 1:
            raise OSError("not now")
        task_status.started()
        await giambio.sleep(10)
        if begun == 0:
            raise ValueError

    async def main() -> None:
        async with giambio.Supervisor(
            strategy="one_for_all", backoff=NO_PAUSE, on_restart=story.report
        ) as supervisor:
            await supervisor.start(server, name="server")
            supervisor.start_soon(story.live, "client", 1)

    run(main)
    assert story.texts() == [
        *("server begins", "client begins"),
        *("server: ValueError(), 0.0", "client ends"),
        *("server begins", "server: OSError('not now'), 0.0"),
        *("server begins", "client begins", "client ends"),
    ]


# -- start -------------------------------------------------------------------------------


def test_a_failure_before_it_is_ready_is_raised_by_start(run: Run) -> None:
    """Rule 28.6."""

    async def server(task_status: object) -> None:
        raise OSError("the port is taken")

    async def silent(task_status: object) -> None:
        pass

    async def main() -> None:
        async with giambio.Supervisor(max_restarts=0) as supervisor:
            with pytest.raises(OSError, match="the port is taken"):
                await supervisor.start(server)
            with pytest.raises(RuntimeError, match="without calling"):
                await supervisor.start(silent)
            assert repr(supervisor) == "<giambio.Supervisor one_for_one, 0 running>"

    run(main)


def test_a_cancelled_start_leaves_nothing(run: Run) -> None:
    """Rule 28.6."""
    story = Story()

    async def server(task_status: object) -> None:
        await story.live("server", 1)

    async def main() -> None:
        async with giambio.Supervisor() as supervisor:
            with giambio.move_on_after(1):
                await supervisor.start(server)
            assert story.texts() == ["server begins", "server ends"]

    run(main)


def test_a_function_may_take_a_name_of_its_own(run: Run) -> None:
    async def server(*, name: str, task_status: giambio.TaskStatus[str]) -> None:
        task_status.started(name)

    async def main() -> None:
        async with giambio.Supervisor() as supervisor:
            assert await supervisor.start(partial(server, name="its own")) == "its own"
            both = supervisor.start(partial(server, name="its own"), name="the task's")
            assert await both == "its own"
            with pytest.raises(TypeError, match=r"name= is the supervisor's.*functools\.partial"):
                await supervisor.start(server, name="whose?")

    run(main)


# -- the limit, and pauses -----------------------------------------------------------------


def test_too_many_restarts(run: Run) -> None:
    """Rule 28.7: the last error is the cause, and the others are cancelled."""
    story = Story()

    async def main() -> None:
        pauses = giambio.Backoff(initial=1, factor=1, jitter=0)
        async with giambio.Supervisor(max_restarts=2, period=10, backoff=pauses) as supervisor:
            supervisor.start_soon(story.live, "a", 1, 9, name="a")
            supervisor.start_soon(story.live, "b", 1)

    with pytest.raises(giambio.RestartLimitExceeded) as caught:
        run(main)
    assert str(caught.value) == (
        "a has failed with ValueError(2), and does not begin anew: max_restarts allows 2 restarts "
        "within 10 seconds"
    )
    assert repr(caught.value.__cause__) == "ValueError(2)"
    assert story.texts()[-1] == "b ends"


def test_old_restarts_do_not_count(run: Run) -> None:
    """Rule 28.7."""
    story = Story()

    async def main() -> None:
        async with giambio.Supervisor(max_restarts=1, period=3, backoff=NO_PAUSE) as supervisor:
            supervisor.start_soon(story.live, "a", 3, 20)

    run(main)
    assert story.texts().count("a begins") == 21


def test_a_supervisor_takes_over_from_another(run: Run) -> None:
    """Rule 28.7."""
    begun = []

    async def function() -> None:
        begun.append(1)
        raise ValueError

    async def inner() -> None:
        async with giambio.Supervisor(max_restarts=1, backoff=NO_PAUSE) as supervisor:
            supervisor.start_soon(function)

    async def main() -> None:
        async with giambio.Supervisor(max_restarts=2, backoff=NO_PAUSE) as supervisor:
            supervisor.start_soon(inner)

    with pytest.raises(giambio.RestartLimitExceeded) as caught:
        run(main)
    assert len(begun) == 2 * 3
    assert isinstance(caught.value.__cause__, giambio.RestartLimitExceeded)


def test_pauses_grow_and_begin_small_after_a_healthy_while(run: Run) -> None:
    """Rule 28.8."""
    pauses = []
    lives = iter([0, 0, 0, 0, 5, 0, None])

    async def function() -> None:
        seconds = next(lives)
        if seconds is not None:
            await giambio.sleep(seconds)
            raise ValueError

    async def main() -> None:
        backoff = giambio.Backoff(initial=1, maximum=5, factor=2, jitter=0)
        async with giambio.Supervisor(
            max_restarts=None,
            period=5,
            backoff=backoff,
            on_restart=lambda name, error, seconds: pauses.append(seconds),
        ) as supervisor:
            supervisor.start_soon(function)

    run(main)
    assert pauses == [1, 2, 4, 5, 1, 2]


def test_chance_makes_pauses_shorter() -> None:
    """Rule 28.8."""
    backoff = giambio.Backoff(initial=1, maximum=8, factor=2, jitter=0.5)
    for failures, longest in enumerate([1, 2, 4, 8, 8]):
        pauses = {backoff.pause(failures) for _ in range(50)}
        assert len(pauses) > 40
        assert all(longest / 2 <= pause <= longest for pause in pauses)


def test_pauses_that_no_float_can_hold_are_the_longest() -> None:
    assert giambio.Backoff(factor=1e300, jitter=0).pause(1000) == 30
    assert giambio.Backoff(initial=0, factor=1e300, jitter=0).pause(1000) == 0


def test_many_restarts_keep_nothing(run: Run) -> None:
    """Rule 28.7: a million restarts take no more memory than ten."""
    import tracemalloc

    sizes: list[int] = []
    rounds = 3000

    async def function() -> None:
        nonlocal rounds
        rounds -= 1
        if rounds in (2000, 0):
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        if rounds:
            raise ValueError

    async def main() -> None:
        async with giambio.Supervisor(
            max_restarts=None, backoff=NO_PAUSE, on_restart=lambda *_: None
        ) as supervisor:
            supervisor.start_soon(function)

    tracemalloc.start()
    try:
        run(main)
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < 50_000


# -- its end -----------------------------------------------------------------------------


def test_a_cancellation_ends_it(run: Run) -> None:
    """Rule 28.9: also while functions wait to begin anew, or are held."""
    story = Story()

    async def main() -> None:
        with giambio.move_on_after(3) as scope:
            pauses = giambio.Backoff(initial=10, maximum=10)
            async with giambio.Supervisor(
                strategy="one_for_all", backoff=pauses, on_restart=story.report
            ) as supervisor:
                supervisor.start_soon(story.live, "a", 1, 1, restart="permanent")
                supervisor.start_soon(story.live, "b", 1, restart="permanent")
        assert scope.cancelled_caught
        assert giambio.current_time() == 3

    run(main)
    assert story.texts().count("a begins") == 1


def test_what_fails_while_it_is_cancelled_is_raised(run: Run) -> None:
    """Rule 28.9."""

    async def function() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            raise OSError("the clean-up")

    async def main() -> None:
        async with giambio.Supervisor() as supervisor:
            supervisor.start_soon(function, restart="permanent")
            await giambio.sleep(1)
            supervisor.cancel()

    with pytest.raises(OSError, match="the clean-up"):
        run(main)


@pytest.mark.parametrize("fails", [False, True])
def test_stopped_softly_it_begins_nothing_anew(run: Run, fails: bool) -> None:
    """Rule 28.9."""
    begun = []

    async def function() -> None:
        begun.append(1)
        await giambio.wait_stopping()
        if fails:
            raise OSError("at the end")

    async def main() -> None:
        async with giambio.Supervisor() as supervisor:
            supervisor.start_soon(function, restart="permanent")
            await giambio.sleep(1)
            supervisor.stop(grace=5)

    if fails:
        with pytest.raises(OSError, match="at the end"):
            run(main)
    else:
        run(main)
    assert begun == [1]


def test_a_soft_stop_ends_pauses(run: Run) -> None:
    """Rule 28.9."""
    story = Story()

    async def main() -> None:
        async with giambio.Supervisor(
            strategy="one_for_all",
            backoff=giambio.Backoff(initial=30, jitter=0),
            on_restart=story.report,
        ) as supervisor:
            supervisor.start_soon(story.live, "a", 1, 1)
            supervisor.start_soon(story.live, "b", 1)
            await giambio.sleep(5)
            supervisor.stop(grace=99)
        assert giambio.current_time() == 5

    run(main)
    assert story.texts().count("a begins") == 1


# -- reports -----------------------------------------------------------------------------


def test_restarts_are_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 28.5."""
    story = Story()

    async def returns() -> None:
        pass

    async def main() -> None:
        pauses = giambio.Backoff(initial=0.25, jitter=0)
        async with giambio.Supervisor(backoff=pauses) as supervisor:
            supervisor.start_soon(story.live, "a", 1, 1, name="a")
            supervisor.start_soon(story.live, "b", 2, 9, restart="temporary", name="b")
            supervisor.start_soon(returns, restart="permanent", name="c")
            await giambio.sleep(3)

    with (
        caplog.at_level(logging.WARNING, "giambio.supervisor"),
        pytest.raises(giambio.RestartLimitExceeded),
    ):
        run(main)
    assert "c has returned, and begins anew in 0.25 s" in caplog.messages

    caplog.clear()
    with caplog.at_level(logging.WARNING, "giambio.supervisor"):

        async def fewer() -> None:
            async with giambio.Supervisor() as supervisor:
                supervisor.start_soon(story.live, "d", 1, 1, name="d", restart="temporary")

        run(fewer)
    assert caplog.messages == ["d has failed"]
    assert "ValueError: 0" in caplog.text


def test_an_exception_of_on_restart_fails_the_block(run: Run) -> None:
    """Rule 28.5."""
    story = Story()

    def refuse(name: str, error: Exception | None, seconds: float | None) -> None:
        raise LookupError(name)

    async def main(on_restart: Any) -> None:
        async with giambio.Supervisor(on_restart=on_restart) as supervisor:
            supervisor.start_soon(story.live, "a", 1, 1, name="a")

    with pytest.raises(LookupError, match="a"):
        run(main, refuse)

    async def coroutine() -> None: ...

    story.events.clear()
    with pytest.raises(TypeError, match="plain function for on_restart, not an async one"):
        run(main, lambda *_: coroutine())


# -- mistakes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"strategy": "all"}, ValueError, 'needs one of "one_for_one", "one_for_all"'),
        ({"max_restarts": -1}, ValueError, "needs a number from 0 up for max_restarts"),
        ({"max_restarts": 1.5}, TypeError, "needs a whole number for max_restarts"),
        ({"period": 0}, ValueError, "needs a number above 0 for period"),
        ({"backoff": 1}, TypeError, "needs a giambio.Backoff for backoff"),
        ({"on_restart": "log"}, TypeError, "needs a plain function for on_restart"),
    ],
)
def test_mistakes(options: Any, error: type[Exception], message: str) -> None:
    """Rule 28.10: they are errors at the call."""
    with pytest.raises(error, match=message):
        giambio.Supervisor(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial": -1}, "from 0 up for initial"),
        ({"initial": 50}, "from initial up for maximum"),
        ({"maximum": float("inf")}, "and not infinity"),
        ({"factor": 0.5}, "from 1 up for factor"),
        ({"jitter": 2}, "from 0 to 1 for jitter"),
        ({"jitter": -0.1}, "from 0 to 1 for jitter"),
    ],
)
def test_mistakes_of_a_backoff(options: Any, message: str) -> None:
    """Rule 28.10."""
    with pytest.raises(ValueError, match=message):
        giambio.Backoff(**options)


def test_mistakes_of_start_soon(run: Run) -> None:
    """Rule 28.10."""

    async def function(number: int) -> None: ...

    def plain() -> int:
        return 3

    async def main() -> None:
        async with giambio.Supervisor() as supervisor:
            start: Any = supervisor.start_soon
            with pytest.raises(TypeError, match=r"could not begin anew; write .*start_soon"):
                start(function(1))
            with pytest.raises(TypeError, match="needs an async function"):
                start(None)
            with pytest.raises(TypeError, match="missing 1 required positional argument"):
                start(function)
            with pytest.raises(TypeError, match="cannot be awaited; define it with `async def`"):
                start(plain)
            with pytest.raises(TypeError, match="name= needs a string"):
                start(function, 1, name=1)
            with pytest.raises(ValueError, match='"permanent", "transient", "temporary"'):
                start(function, 1, restart="always")
            with pytest.raises(TypeError, match="could not begin anew"):
                await supervisor.start(function(1))
            with pytest.raises(TypeError, match="task_status of its own"):
                await supervisor.start(function, 1, task_status=2)
            with pytest.raises(TypeError, match="cannot be awaited"):
                await supervisor.start(lambda task_status: 3)  # type: ignore[arg-type,return-value]
        with pytest.raises(giambio.RunFinishedError, match="this Supervisor's block was left"):
            supervisor.start_soon(function, 1)
        with pytest.raises(giambio.RunFinishedError, match="this Supervisor's block was left"):
            await supervisor.start(function, 1)
        with pytest.raises(RuntimeError, match="used already; make a new one"):
            async with supervisor:
                pass
        with pytest.raises(RuntimeError, match="this Supervisor was not entered yet"):
            giambio.Supervisor().start_soon(function, 1)
        with pytest.raises(RuntimeError, match="this Supervisor was not entered yet"):
            await giambio.Supervisor().start(function, 1)
        with pytest.raises(TypeError, match="a Supervisor is entered with `async with`"):
            giambio.Supervisor().__enter__()  # type: ignore[misc]

    run(main)
