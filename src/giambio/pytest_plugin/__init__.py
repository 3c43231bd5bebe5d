"""The pytest plugin: async tests and async fixtures run on giambio.

pytest loads it wherever giambio is installed, so it is off until it is asked for: by
``@pytest.mark.giambio``, or by ``giambio_mode = auto`` in the project's configuration. It then
takes the async tests that no other plugin claims. giambio itself is imported when the first such
test runs.

An async test is handed to pytest as an ordinary function that drives a loop. That loop (see
`giambio.testing.runner`) is made for the test's first async fixture, and ends after the last.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Callable, Generator
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import pytest

from giambio.pytest_plugin.forgotten import (
    forgotten_in,
    pytest_runtest_call,
    pytest_runtest_protocol,
    pytest_runtest_setup,
    pytest_runtest_teardown,
)
from giambio.pytest_plugin.ownership import (
    ORIGINAL,
    is_async,
    is_async_test,
    is_ours,
    is_simulation,
    place_of,
    takes_fixture,
)
from giambio.pytest_plugin.settings import (
    failure,
    options_of,
    pytest_addoption,
    pytest_configure,
    pytest_configure_node,
    pytest_report_header,
    timeout_of,
)
from giambio.pytest_plugin.simulations import make_simulation, sim

if TYPE_CHECKING:
    from giambio.tasks.manager import TaskManager
    from giambio.testing.runner import Runner
    from giambio.testing.virtual_clock import VirtualClock

__all__ = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_fixture_setup",
    "pytest_pycollect_makeitem",
    "pytest_pyfunc_call",
    "pytest_report_header",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
    "sim",
    "task_manager",
    "virtual_clock",
]

RUNNER = pytest.StashKey["Runner"]()
SEED = pytest.StashKey[str]()

#: How pytest fails an async test that no plugin has claimed, and what is told then.
UNSUPPORTED = "async def functions are not natively supported"
HINT = (
    "to run this test on giambio, mark it with @pytest.mark.giambio, "
    "or set giambio_mode = auto for all of the project's"
)

#: The test that is being called.
called: list[pytest.Function] = []


# -- tests -----------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Make a test of ours look ordinary before other plugins see it."""
    collected = yield
    for item in collected if isinstance(collected, list) else [collected]:
        if is_ours(item):
            make_ordinary(item)
        elif is_simulation(item):
            make_simulation(item)
    return collected


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Call a test of ours; it may have got its mark only after it was collected."""
    __tracebackhide__ = True
    if not is_ours(pyfuncitem):
        return (yield)
    make_ordinary(pyfuncitem)
    called.append(pyfuncitem)
    try:
        return (yield)
    finally:
        called.pop()


def make_ordinary(item: pytest.Function) -> None:
    """Put an ordinary function in the place of an async test."""
    holder, name = place_of(item)
    function = getattr(holder, name)
    if hasattr(function, ORIGINAL):
        return

    @wraps(function)
    def ordinary(*args: Any, **keywords: Any) -> Any:
        __tracebackhide__ = True
        if not called:
            return function(*args, **keywords)
        item = called[-1]
        test = partial(function, *args, **keywords)
        return runner_of(item).run(item.name, test, timeout_of(item), is_test=True)

    setattr(ordinary, ORIGINAL, function)
    if hasattr(function, "__self__"):
        ordinary.__self__ = function.__self__  # type: ignore[attr-defined]
    setattr(holder, name, ordinary)


def runner_of(item: pytest.Function) -> Runner:
    """Return the loop of a test and its fixtures; it is made when it is first needed."""
    runner = item.stash.get(RUNNER, None)
    if runner is None:
        from giambio.testing.runner import Runner

        options = options_of(item)
        del options["timeout"]
        if "virtual_clock" in item._request.fixturenames:
            options["clock"] = item._request.getfixturevalue("virtual_clock")
        try:
            runner = Runner(failure, **options)
        except (TypeError, ValueError) as exc:
            raise failure(f"giambio's loop cannot be made: {exc}") from None
        item.stash[RUNNER] = runner
        item.addfinalizer(partial(close_runner, item))
        if options["seed"] is not None:
            item.stash[SEED] = f"--giambio-seed={options['seed']}"
        elif os.environ.get("GIAMBIO_SEED"):
            item.stash[SEED] = f"GIAMBIO_SEED={os.environ['GIAMBIO_SEED']}"
    return runner


def close_runner(item: pytest.Function) -> None:
    """The test is over, and its fixtures are torn down."""
    __tracebackhide__ = True
    runner = item.stash[RUNNER]
    del item.stash[RUNNER]
    runner.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Report what a test that failed forgot, its seed, and what one without a mark lacks."""
    report = yield
    if report.failed and (lines := forgotten_in(item)):
        report.sections.append(("giambio", lines))
    if report.failed and SEED in item.stash:
        again = f"random schedule; run it again with {item.stash[SEED]}"
        report.sections.append(("giambio", again))
    if call.excinfo is not None and str(call.excinfo.value).startswith(UNSUPPORTED):
        report.sections.append(("giambio", HINT))
    return report


# -- fixtures ----------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Have an async fixture of ours look ordinary, while pytest sets it up."""
    __tracebackhide__ = True
    function = fixturedef.func
    if not is_async(function) or not takes_fixture(function, request):
        return (yield)
    fixturedef.func = ordinary_fixture(bound(function, request.instance), request)  # type: ignore[misc]
    try:
        return (yield)
    finally:
        fixturedef.func = function  # type: ignore[misc]


def check_usable(item: pytest.Function, request: pytest.FixtureRequest) -> None:
    """Fail the test if an async fixture cannot be set up.

    The fixture calls it, and not its set-up: pytest keeps the outcome of a call only.
    """
    __tracebackhide__ = True
    name = request.fixturename
    if not is_async_test(item):
        raise failure(
            f"{item.name} uses the async fixture {name!r}, but is an ordinary function: "
            f"write `async def {item.originalname}`"
        )
    if request.scope != "function":
        raise failure(
            f"the async fixture {name!r} has the scope {request.scope!r}, but each test runs in "
            "a giambio loop of its own: leave its scope at 'function'; a fixture that is to "
            "live longer must be an ordinary one"
        )
    runner = item.stash.get(RUNNER, None)
    if runner is not None and runner.job is not None:
        raise failure(
            f"the async fixture {name!r} was asked for while {runner.job.what} runs: "
            "request.getfixturevalue() cannot wait there; name the fixture as an argument"
        )


def bound(function: Any, instance: object) -> Any:
    """Return the function of a fixture; a method is bound to the object of the test."""
    if inspect.ismethod(function) and type(function.__self__) is type(instance):
        return function.__func__.__get__(instance)
    return function


def ordinary_fixture(function: Any, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return an ordinary function that runs an async fixture for pytest."""
    item = request._pyfuncitem
    what = f"the fixture {request.fixturename!r} of {item.name}"
    if inspect.iscoroutinefunction(function):

        def ordinary(**arguments: Any) -> Any:
            __tracebackhide__ = True
            check_usable(item, request)
            return runner_of(item).run(what, partial(function, **arguments), timeout_of(item))

        return ordinary

    def ordinary_generator(**arguments: Any) -> Generator[Any, None, None]:
        __tracebackhide__ = True
        check_usable(item, request)
        runner = runner_of(item)
        generator = function(**arguments)
        yield runner.run(what, partial(first, generator, what), timeout_of(item))
        if runner.given_up:
            from giambio.testing.runner import close_by_force

            close_by_force(generator)
        else:
            runner.run(what, partial(last, generator, what), timeout_of(item))

    return ordinary_generator


async def first(generator: AsyncIterator[Any], what: str) -> Any:
    """Return the value that an async generator yields."""
    __tracebackhide__ = True
    try:
        return await anext(generator)
    except StopAsyncIteration:
        raise failure(f"{what} did not yield a value") from None


async def last(generator: Any, what: str) -> None:
    """Let an async generator go on after its `yield`, to its end."""
    __tracebackhide__ = True
    try:
        await anext(generator)
    except StopAsyncIteration:
        return
    await generator.aclose()
    raise failure(f"{what} has more than one `yield`")


@pytest.fixture
def virtual_clock(request: pytest.FixtureRequest) -> VirtualClock:
    """The clock of the test's loop: time jumps when every task waits (giambio)."""
    from giambio.testing.virtual_clock import VirtualClock

    if request.scope == "function" and RUNNER in request.node.stash:
        raise failure(
            "virtual_clock was asked for when the test's loop had its clock already; "
            "name it as an argument of the test"
        )
    return VirtualClock()


@pytest.fixture
async def task_manager() -> AsyncIterator[TaskManager]:
    """A giambio.TaskManager around the test; tasks that run at the end are cancelled."""
    from giambio.tasks.manager import TaskManager

    async with TaskManager() as manager:
        yield manager
        manager.cancel("the test has ended")
