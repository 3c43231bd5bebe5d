"""Awaiting objects of other libraries: refused at that await, or parked by a hook."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Generator
from typing import Any

import pytest

import giambio
from giambio.kernel.foreign import ForeignPark
from support.kernel import finish

Run = Callable[..., Any]


class Yields:
    """An awaitable of another library: it yields an object, and wants to be resumed."""

    def __init__(self, thing: object) -> None:
        self.thing = thing
        self.resumed = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        sent = yield self.thing
        self.resumed += 1
        return ("resumed", sent)


@types.coroutine
def bare_yield() -> Generator[Any, Any, Any]:
    yield


class TheirCancelledError(BaseException):
    """The cancellation class of another library."""


# -- without a hook ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("awaitable", "named"),
    [
        (bare_yield, "None"),
        (lambda: Yields("their thing"), "'their thing'"),
        (lambda: Yields(42), "42"),
    ],
    ids=["bare yield", "object", "number"],
)
def test_a_foreign_yield_is_a_type_error_at_that_await_that_names_the_object(
    run: Run, awaitable: Callable[[], Any], named: str
) -> None:
    """Rules 3.1, 3.2: a `TypeError` that names the foreign object is raised at that `await`."""

    async def main() -> str:
        with pytest.raises(TypeError, match=rf"something that is not giambio's: {named};"):
            await awaitable()
        await giambio.checkpoint()
        return "goes on"

    assert run(main) == "goes on"


def test_the_error_tells_what_to_do(run: Run) -> None:
    with pytest.raises(TypeError, match="needs that library's loop"):
        run(bare_yield)


def test_an_asyncio_future_is_refused_by_name(run: Run) -> None:
    """Rule 3.2: an asyncio future, a bare `yield`."""
    asyncio_loop = asyncio.new_event_loop()
    try:

        async def main() -> None:
            await asyncio_loop.create_future()

        with pytest.raises(TypeError, match="not giambio's: <Future pending"):
            run(main)
    finally:
        asyncio_loop.close()


def test_the_traceback_of_a_refused_await_shows_only_the_users_frames(run: Run) -> None:
    async def main() -> None:
        await bare_yield()

    with pytest.raises(TypeError) as caught:
        run(main)
    names = [entry.name for entry in caught.traceback]
    assert names[-2:] == ["main", "bare_yield"]
    assert not [entry for entry in caught.traceback if "giambio/kernel" in str(entry.path)]


def test_one_who_catches_the_error_of_a_foreign_yield_again_and_again_starves_nobody(
    run: Run,
) -> None:
    """Rule 4.8: a busy task cannot starve the others."""

    async def main() -> int:
        tries = 0
        giambio.current_loop().call_later(0, stop.append, True)
        while not stop:
            tries += 1
            try:
                await bare_yield()
            except TypeError:
                pass
        return tries

    stop: list[bool] = []
    assert run(main) > 0


# -- with a hook -------------------------------------------------------------------


def test_the_hook_gets_the_task_and_the_very_object(loop: giambio.EventLoop) -> None:
    """Rule 3.1: `None` included."""
    seen = []

    def hook(task: Any, foreign: object) -> ForeignPark:
        seen.append((task, foreign))
        park = ForeignPark(loop, task)
        loop.call_soon(park.wake)
        return park

    async def main() -> list[Any]:
        thing = object()
        assert await Yields(thing) == ("resumed", None)
        await bare_yield()
        task = giambio.current_task()
        return [(task, thing), (task, None)]

    loop._foreign_hook = hook
    assert loop.start(main) == seen


def test_what_the_hook_does_not_know_is_refused_as_without_one(loop: giambio.EventLoop) -> None:
    loop._foreign_hook = lambda task, foreign: None
    with pytest.raises(TypeError, match="not giambio's: None;"):
        loop.start(bare_yield)


def test_an_error_in_the_hook_is_raised_at_the_await(loop: giambio.EventLoop) -> None:
    def hook(task: Any, foreign: object) -> None:
        raise KeyError("hook")

    async def main() -> str:
        with pytest.raises(KeyError, match="hook"):
            await bare_yield()
        return "goes on"

    loop._foreign_hook = hook
    assert loop.start(main) == "goes on"


def parking_hook(
    loop: giambio.EventLoop, parks: list[ForeignPark], **options: Any
) -> Callable[[Any, object], ForeignPark]:
    """A hook that parks whoever yields, and notes the parks."""

    def hook(task: Any, foreign: object) -> ForeignPark:
        parks.append(ForeignPark(loop, task, **options))
        return parks[-1]

    return hook


def test_a_foreign_park_can_end_with_an_error(loop: giambio.EventLoop) -> None:
    parks: list[ForeignPark] = []

    async def main() -> None:
        loop.call_soon(lambda: parks[0].wake(KeyError("theirs")))
        with pytest.raises(KeyError, match="theirs"):
            await bare_yield()
        assert not parks[0].wake()

    loop._foreign_hook = parking_hook(loop, parks)
    loop.start(main)


def test_a_foreign_park_chooses_the_class_of_its_cancellation(loop: giambio.EventLoop) -> None:
    """Rule 3.10: `giambio.CancelledError`, unless a foreign park asks for another."""
    parks: list[ForeignPark] = []
    ours: list[BaseException] = []

    def theirs(exc: BaseException) -> BaseException:
        ours.append(exc)
        return TheirCancelledError()

    async def main() -> None:
        with giambio.CancelScope() as scope:
            loop.call_soon(scope.cancel, "enough")
            with pytest.raises(TheirCancelledError):
                await bare_yield()
            assert isinstance(ours[0], giambio.CancelledError)
            assert ours[0].reason == "enough"
            with pytest.raises(giambio.CancelledError):  # the next one is ours
                await giambio.checkpoint()

    loop._foreign_hook = parking_hook(loop, parks, interruption=theirs)
    loop.start(main)


def test_without_a_class_of_its_own_a_foreign_park_is_cancelled_with_ours(
    loop: giambio.EventLoop,
) -> None:
    async def main() -> bool:
        with giambio.move_on_after(0) as scope:
            await bare_yield()
        return scope.cancelled_caught

    loop._foreign_hook = parking_hook(loop, [])
    assert loop.start(main)


def test_a_foreign_yield_in_a_cancelled_scope_is_cancelled_too(loop: giambio.EventLoop) -> None:
    async def main() -> bool:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await bare_yield()
        return scope.cancelled_caught

    loop._foreign_hook = parking_hook(loop, [])
    assert loop.start(main)


@pytest.mark.parametrize("wins", ["result", "cancellation"])
def test_a_foreign_park_may_answer_not_yet(loop: giambio.EventLoop, wins: str) -> None:
    """Rule 3.5: foreign futures cannot be withdrawn at once, and may win the race."""
    parks: list[ForeignPark] = []

    async def main() -> str:
        with giambio.CancelScope() as scope:
            loop.call_soon(scope.cancel)
            try:
                await bare_yield()
            except TheirCancelledError:
                return "cancellation"
            return "result"
        raise AssertionError("unreachable")

    loop._foreign_hook = parking_hook(
        loop, parks, abort=lambda: False, interruption=lambda ours: TheirCancelledError()
    )
    task = loop.begin(main)
    for _ in range(4):
        loop.turn(0)
    assert not task.done()
    assert parks[0].wake(parks[0].interrupted() if wins == "cancellation" else None)
    assert finish(loop, task) == wins


def test_a_withdrawn_interrupt_does_not_resume_a_foreign_awaitable(
    loop: giambio.EventLoop,
) -> None:
    """Rules 3.8, 3.9: a foreign future that is resumed before its time takes that for an error."""
    parks: list[ForeignPark] = []
    aborts: list[bool] = []
    foreign = Yields("theirs")

    async def main() -> Any:
        with giambio.CancelScope() as outer, giambio.CancelScope() as inner:

            def cancel_and_shield() -> None:
                outer.cancel()
                inner.shield = True

            loop.call_soon(cancel_and_shield)
            return await foreign

    loop._foreign_hook = parking_hook(loop, parks, abort=lambda: aborts.append(True) or True)
    task = loop.begin(main)
    for _ in range(4):
        loop.turn(0)
    assert (foreign.resumed, aborts) == (0, [])
    assert parks[0].wake()
    assert finish(loop, task) == ("resumed", None)


def test_asyncio_futures_can_be_awaited_through_a_hook(loop: giambio.EventLoop) -> None:
    """Rule 3.3: so that foreign futures (asyncio's) can later be awaited from a giambio task."""
    asyncio_loop = asyncio.new_event_loop()
    asyncio_loop.call_soon = loop.call_soon  # type: ignore[assignment,method-assign]

    def hook(task: Any, foreign: Any) -> ForeignPark:
        park = ForeignPark(loop, task, interruption=lambda ours: asyncio.CancelledError())
        foreign._asyncio_future_blocking = False
        foreign.add_done_callback(lambda _: park.wake())
        return park

    async def main() -> list[object]:
        done, failed, never = (asyncio_loop.create_future() for _ in range(3))
        loop.call_soon(done.set_result, "a result")
        seen: list[object] = [await done]
        loop.call_soon(failed.set_exception, KeyError("theirs"))
        with pytest.raises(KeyError, match="theirs"):
            await failed
        with giambio.CancelScope() as scope:
            loop.call_soon(scope.cancel)
            with pytest.raises(asyncio.CancelledError):
                await never
        return seen

    loop._foreign_hook = hook
    try:
        assert loop.start(main) == ["a result"]
    finally:
        asyncio_loop.close()
