"""The pytest plugin: each test here runs pytest on a small project, in a process of its own."""

from __future__ import annotations

import importlib.metadata
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import giambio

pytest_plugins = ["pytester"]

CHECKOUT = Path(__file__).resolve().parents[2]
INSTALLED = any(
    entry.value == "giambio.pytest_plugin"
    for entry in importlib.metadata.entry_points(group="pytest11")
)

Project = Callable[..., pytest.RunResult]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Runs pytest on test files, with giambio's plugin and no other."""
    for variable in ("GIAMBIO_SEED", "GIAMBIO_DEBUG", "PYTEST_ADDOPTS", "CI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    if not INSTALLED:
        monkeypatch.setenv("PYTHONPATH", str(Path(giambio.__file__).parent.parent))

    def run(code: str, *options: str, **settings: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=code)
        pytester.makeini("\n".join(["[pytest]", *(f"{k} = {v}" for k, v in settings.items())]))
        plugin = ("-p", "giambio.pytest_plugin", "-p", "no:cacheprovider", "-W", "error")
        return pytester.runpytest_subprocess(*plugin, *options)

    return run


def lines_with(result: pytest.RunResult, text: str) -> list[str]:
    """The lines of the output that contain something."""
    return [line for line in result.outlines if text in line]


# -- whose test it is ---------------------------------------------------------------------------


def test_without_a_mark_nothing_is_done(project: Project) -> None:
    """Off by default: an async test is pytest's business, and giambio.testing is not loaded."""
    result = project(
        """
        import sys, pytest

        async def test_async():
            pass

        @pytest.fixture
        async def something():
            pass

        def test_fixture(something):
            pass

        def test_ordinary():
            assert "giambio.testing" not in sys.modules
        """
    )
    result.assert_outcomes(passed=1, failed=1, errors=1)
    assert lines_with(result, "async def functions are not natively supported")
    assert lines_with(result, "giambio:") == []


def test_an_async_test_without_a_mark_is_told_of_the_mark_and_the_mode(project: Project) -> None:
    """Rule 19.1: pytest's own message knows of other plugins only. Other failures have no hint."""
    result = project(
        """
        async def test_async():
            pass

        def test_failing():
            raise AssertionError("async def functions are natively supported elsewhere")
        """
    )
    result.assert_outcomes(failed=2)
    assert lines_with(result, "to run this test on giambio") == [
        "to run this test on giambio, mark it with @pytest.mark.giambio, "
        "or set giambio_mode = auto for all of the project's"
    ]


def test_marked_tests_run_on_giambio(project: Project) -> None:
    project(
        """
        import functools, giambio, pytest

        @pytest.mark.giambio
        async def test_function():
            await giambio.sleep(0.001)

        @pytest.mark.giambio
        @pytest.mark.parametrize("n", [1, 2])
        async def test_parametrized(n):
            await giambio.checkpoint()
            assert n in (1, 2)

        @pytest.mark.giambio
        class TestClass:
            async def test_method(self):
                await giambio.checkpoint()
                self.n = 1

            async def test_another_object(self):
                assert not hasattr(self, "n")

            @staticmethod
            async def test_static():
                await giambio.checkpoint()

            def test_ordinary(self):
                assert giambio.run(giambio.sleep, 0) is None

        class TestPartly:
            @pytest.mark.giambio
            async def test_method(self):
                await giambio.checkpoint()
        """
    ).assert_outcomes(passed=8)


def test_a_whole_module_is_marked(project: Project) -> None:
    project(
        """
        import giambio, pytest

        pytestmark = pytest.mark.giambio

        async def test_async():
            await giambio.checkpoint()

        def test_ordinary():
            giambio.run(giambio.checkpoint)
        """
    ).assert_outcomes(passed=2)


def test_a_mark_may_be_added_after_collection(project: Project, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.giambio)
        """
    )
    project(
        """
        import giambio, pytest

        @pytest.fixture
        async def one():
            await giambio.checkpoint()
            return 1

        async def test_async(one):
            await giambio.checkpoint()
            assert one == 1
        """
    ).assert_outcomes(passed=1)


def test_in_auto_mode_all_async_tests_run_on_giambio(project: Project) -> None:
    project(
        """
        import giambio, pytest

        @pytest.fixture
        async def one():
            await giambio.checkpoint()
            return 1

        async def test_async(one):
            await giambio.checkpoint()
            assert one == 1

        class TestClass:
            async def test_method(self, one):
                await giambio.checkpoint()
                assert one == 1

        def test_ordinary():
            giambio.run(giambio.checkpoint)
        """,
        giambio_mode="auto",
    ).assert_outcomes(passed=3)


def test_what_others_claim_is_left_alone(project: Project) -> None:
    """Here by a mark; `test_beside_the_plugins_of_others` has the real ones."""
    result = project(
        """
        import pytest

        @pytest.mark.trio
        async def test_trio():
            pass

        @pytest.mark.giambio
        class TestClass:
            @pytest.mark.anyio
            async def test_anyio(self):
                pass

        @pytest.mark.asyncio
        class TestOther:
            @pytest.mark.giambio
            async def test_giambio(self):
                pass
        """,
        giambio_mode="auto",
        markers="\n    trio\n    anyio\n    asyncio",
    )
    result.assert_outcomes(failed=2, passed=1)
    assert len(lines_with(result, "async def functions are not natively supported")) == 2


def test_unittest_and_doctest_are_left_alone(project: Project) -> None:
    project(
        '''
        import asyncio, unittest

        class Case(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                await asyncio.sleep(0)

            async def test_it(self):
                await asyncio.sleep(0)

        def documented():
            """
            >>> 1 + 1
            2
            """
        ''',
        "--doctest-modules",
        giambio_mode="auto",
    ).assert_outcomes(passed=2)


def test_hypothesis_may_call_the_test(project: Project) -> None:
    project(
        """
        import giambio, pytest
        from hypothesis import HealthCheck, given, settings, strategies as st

        slow = [HealthCheck.too_slow]  # the machine may be busy with other things
        settings.register_profile("here", database=None, deadline=None, suppress_health_check=slow)
        settings.load_profile("here")
        called = []

        @settings(max_examples=10)
        @given(x=st.integers(), y=st.integers())
        async def test_function(x, y):
            await giambio.checkpoint()
            called.append(giambio.current_loop())

        def test_it_was_called_in_one_loop():
            assert len(called) == 10
            assert len(set(called)) == 1

        class TestClass:
            @pytest.mark.parametrize("n", [1, 2])
            @settings(max_examples=10)
            @given(x=st.integers())
            async def test_method(self, n, x):
                await giambio.checkpoint()

        @given(x=st.integers())
        async def test_fails(x):
            await giambio.checkpoint()
            assert x < 100
        """,
        "-p",
        "_hypothesis_pytestplugin",
        giambio_mode="auto",
    ).assert_outcomes(passed=4, failed=1)


def test_outcomes_are_as_in_ordinary_tests(project: Project) -> None:
    result = project(
        """
        import giambio, pytest

        async def test_skips():
            await giambio.checkpoint()
            pytest.skip("not today")

        async def test_xfails():
            await giambio.checkpoint()
            pytest.xfail("not yet")

        @pytest.mark.xfail(raises=KeyError)
        async def test_is_expected_to_fail():
            raise KeyError

        async def test_fails():
            await giambio.checkpoint()
            assert [1, 2] == [1, 3]

        async def test_fails_in_a_task():
            async def child():
                raise ValueError("of a child")

            async with giambio.TaskManager() as manager:
                manager.start_soon(child)

        async def test_exits_from_a_callback():
            def callback():
                raise ValueError("of a callback")

            giambio.current_loop().call_soon(callback)
            await giambio.sleep_forever()
        """,
        giambio_mode="auto",
    )
    result.assert_outcomes(skipped=1, xfailed=2, failed=3)
    result.stdout.fnmatch_lines(
        [
            "E       assert [[]1, 2] == [[]1, 3]",
            "E       ValueError: of a child",
            "E       ValueError: of a callback",
        ]
    )
    # The report is about the test, not about what runs it.
    assert lines_with(result, "giambio/testing/") == []
    assert lines_with(result, "pytest_plugin.py") == []
    assert lines_with(result, "traceback entries are hidden") == []


def test_each_test_has_a_loop_of_its_own_and_leaves_nothing(project: Project) -> None:
    project(
        """
        import os, giambio, pytest

        loops = []

        def descriptors():
            return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

        before = descriptors()

        @pytest.fixture
        async def something():
            yield

        @pytest.mark.giambio
        @pytest.mark.parametrize("n", range(5))
        async def test_it(n, something):
            loops.append(giambio.current_loop())
            await giambio.sleep(0.001)

        def test_nothing_is_left():
            assert len(set(loops)) == 5
            assert {repr(loop) for loop in loops} == {"<giambio.EventLoop closed>"}
            assert descriptors() == before
        """
    ).assert_outcomes(passed=6)


# -- fixtures ---------------------------------------------------------------------------------


def test_async_fixtures_run_in_the_loop_of_their_test(project: Project) -> None:
    project(
        """
        import contextvars, giambio, pytest

        variable = contextvars.ContextVar("variable")
        steps = []

        @pytest.fixture
        async def plain():
            await giambio.sleep(0.001)
            return giambio.current_loop()

        @pytest.fixture
        async def yielding(plain):
            variable.set("of a fixture")
            steps.append("set up yielding")
            yield plain
            await giambio.sleep(0.001)
            assert giambio.current_loop() is plain
            steps.append("torn down yielding")

        @pytest.fixture
        def ordinary(yielding):
            steps.append("set up ordinary")
            yield yielding
            steps.append("torn down ordinary")

        @pytest.fixture
        async def last(ordinary):
            steps.append("set up last")
            yield ordinary
            await giambio.checkpoint()
            steps.append("torn down last")

        @pytest.mark.giambio
        async def test_uses_them(last, plain):
            steps.append("test")
            assert last is plain is giambio.current_loop()
            assert variable.get() == "of a fixture"

        def test_order():
            assert steps == [
                "set up yielding",
                "set up ordinary",
                "set up last",
                "test",
                "torn down last",
                "torn down ordinary",
                "torn down yielding",
            ]
        """,
    ).assert_outcomes(passed=2)


def test_fixtures_of_all_kinds(project: Project) -> None:
    project(
        """
        import giambio, pytest

        pytestmark = pytest.mark.giambio
        everywhere_was_here = []

        @pytest.fixture(autouse=True)
        async def everywhere(request):
            await giambio.checkpoint()
            everywhere_was_here.append(request.node.name)

        @pytest.fixture(params=["a", "b"])
        async def letter(request):
            await giambio.checkpoint()
            return request.param

        async def test_parameters(letter):
            assert letter in ("a", "b")

        async def test_autouse():
            assert everywhere_was_here[-1] == "test_autouse"

        @pytest.mark.usefixtures("letter")
        async def test_by_name_only(request):
            assert request.getfixturevalue("letter") in ("a", "b")

        class TestClass:
            @pytest.fixture
            async def me(self):
                self.n = 1
                yield self
                assert self.n == 2

            async def test_method(self, me):
                assert me is self
                self.n += 1
        """,
    ).assert_outcomes(passed=6)


def test_a_scope_of_a_fixture_surrounds_the_test(project: Project) -> None:
    result = project(
        """
        import giambio, pytest

        pytestmark = pytest.mark.giambio

        @pytest.fixture
        async def limited():
            with giambio.move_on_after(0.01) as scope:
                yield scope

        @pytest.fixture
        async def patient():
            with giambio.move_on_after(3600) as scope:
                yield scope

        @pytest.fixture
        async def shared():
            async with giambio.TaskManager() as manager:
                event = giambio.Event()

                async def server():
                    await event.wait()
                    raise ValueError("of the server")

                manager.start_soon(server)
                yield event

        async def test_too_slow(limited):
            await giambio.sleep_forever()

        async def test_server_fails(shared):
            shared.set()
            await giambio.sleep_forever()

        async def test_inherits_the_deadline(patient):
            assert giambio.current_effective_deadline() == patient.deadline
        """,
    )
    result.assert_outcomes(failed=2, passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_server_fails*",
            "E * ValueError: of the server",
            "test_too_slow was cancelled: the deadline has passed (the scope of a fixture*",
            "test_server_fails was cancelled: another task of the * has failed (the scope*",
        ]
    )


def test_fixtures_are_torn_down_however_the_test_ends(project: Project) -> None:
    result = project(
        """
        import giambio, pytest

        torn_down = []

        @pytest.fixture
        async def first(request):
            yield
            await giambio.sleep(0.001)
            torn_down.append(("first", request.node.name))

        @pytest.fixture
        async def second(first, request):
            async with giambio.TaskManager() as manager:
                event = giambio.Event()
                manager.start_soon(event.wait)
                yield
                await giambio.sleep(0.001)
                torn_down.append(("second", request.node.name))
                event.set()

        async def test_fails(second):
            assert False

        async def test_cancelled(second):
            giambio.current_task().cancel()
            await giambio.sleep_forever()

        @pytest.mark.giambio(timeout=0.3)
        async def test_too_slow(second):
            await giambio.sleep_forever()

        async def test_deadlock(second):
            await giambio.Event().wait()

        def test_all_are_torn_down():
            names = ["test_fails", "test_cancelled", "test_too_slow", "test_deadlock"]
            assert torn_down == [(which, name) for name in names for which in ("second", "first")]
        """,
        giambio_mode="auto",
    )
    result.assert_outcomes(failed=4, passed=1)
    assert lines_with(result, "test_cancelled was cancelled, by cancel() of its task")
    assert lines_with(result, "DeadlockError: every task waits for another one")


def test_fixtures_that_fail(project: Project) -> None:
    result = project(
        """
        import giambio, pytest

        torn_down = []

        @pytest.fixture
        async def sound():
            yield
            await giambio.checkpoint()
            torn_down.append("sound")

        @pytest.fixture
        async def no_set_up(sound):
            await giambio.checkpoint()
            raise KeyError("set-up")

        @pytest.fixture
        async def no_clean_up(sound):
            yield
            raise KeyError("clean-up")

        @pytest.fixture
        async def no_yield():
            if False:
                yield

        @pytest.fixture
        async def two_yields(sound):
            yield
            yield

        async def test_1(no_set_up): pass
        async def test_2(no_clean_up): pass
        async def test_3(no_yield): pass
        async def test_4(two_yields): pass

        def test_all_are_torn_down():
            assert torn_down == ["sound", "sound", "sound"]
        """,
        giambio_mode="auto",
    )
    result.assert_outcomes(passed=3, errors=4)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_1*",
            "E       KeyError: 'set-up'",
            "*ERROR at teardown of test_2*",
            "E       KeyError: 'clean-up'",
            "*ERROR at setup of test_3*",
            "the fixture 'no_yield' of test_3 did not yield a value",
            "*ERROR at teardown of test_4*",
            "the fixture 'two_yields' of test_4 has more than one `yield`",
        ]
    )
    assert lines_with(result, "giambio/testing/") == []
    assert lines_with(result, "pytest_plugin.py") == []


def test_fixtures_that_cannot_be_used_say_why(project: Project) -> None:
    """Rule 19.1: the error says why."""
    result = project(
        """
        import giambio, pytest

        @pytest.fixture
        async def one():
            return 1

        @pytest.fixture(scope="module")
        async def shared():
            return 1

        def test_ordinary(one): pass
        async def test_shared(shared): pass
        async def test_by_name(request): request.getfixturevalue("one")
        async def test_sound(one): assert one == 1
        """,
        giambio_mode="auto",
    )
    result.assert_outcomes(errors=2, failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "test_ordinary uses the async fixture 'one', but is an ordinary function: "
            "write `async def test_ordinary`",
            "the async fixture 'shared' has the scope 'module', but each test runs in a giambio "
            "loop of its own: leave its scope at 'function'; *",
            "the async fixture 'one' was asked for while test_by_name runs: "
            "request.getfixturevalue() cannot wait there; name the fixture as an argument",
        ]
    )


def test_a_marked_ordinary_test_cannot_use_an_async_fixture(project: Project) -> None:
    result = project(
        """
        import pytest

        pytestmark = pytest.mark.giambio

        @pytest.fixture
        async def one():
            return 1

        class TestClass:
            @pytest.mark.parametrize("n", [1])
            def test_ordinary(self, n, one):
                pass
        """
    )
    result.assert_outcomes(errors=1)
    assert lines_with(result, "test_ordinary[1] uses the async fixture 'one', but is an ordinary")
    assert lines_with(result, "write `async def test_ordinary`")


def test_a_test_that_is_run_again_has_everything_anew(
    project: Project, pytester: pytest.Pytester
) -> None:
    """As plugins do that run a failed test a second time."""
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            runtestprotocol(item, nextitem=nextitem, log=False)
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """
    )
    project(
        """
        import giambio, pytest

        loops = []

        @pytest.fixture
        async def loop():
            yield giambio.current_loop()
            await giambio.checkpoint()

        @pytest.mark.giambio
        async def test_function(loop, virtual_clock):
            await giambio.sleep(60)
            loops.append(loop)
            assert loops.count(loop) == 1
            assert len(loops) == 2

        class TestClass:
            @pytest.mark.giambio
            async def test_method(self, loop):
                assert loop is giambio.current_loop()
        """
    ).assert_outcomes(passed=2)


def test_the_task_manager_is_a_fixture(project: Project) -> None:
    result = project(
        """
        import giambio, pytest

        pytestmark = pytest.mark.giambio
        ended = []

        async def background():
            try:
                await giambio.sleep_forever()
            finally:
                ended.append("background")

        async def test_cancelled_at_the_end(task_manager):
            task_manager.start_soon(background)
            await giambio.checkpoint()

        def test_it_has_ended():
            assert ended == ["background"]

        async def test_failing(task_manager):
            async def fail():
                raise ValueError("in the background")
            task_manager.start_soon(fail)
            await giambio.sleep_forever()
        """,
    )
    result.assert_outcomes(passed=2, failed=1, errors=1)
    assert lines_with(result, "ValueError: in the background")


# -- time ---------------------------------------------------------------------------------------


def test_a_time_out_shows_where_the_tasks_are(project: Project) -> None:
    result = project(
        """
        import giambio, pytest

        async def holder(lock):
            async with lock:
                await giambio.sleep_forever()

        @pytest.mark.giambio(timeout=0.3)
        async def test_slow():
            lock = giambio.Lock()
            async with giambio.TaskManager() as manager:
                manager.start_soon(holder, lock)
                await giambio.checkpoint()
                async with lock:
                    pass

        @pytest.fixture
        async def slow():
            await giambio.sleep_forever()

        @pytest.fixture
        async def slow_to_leave():
            yield
            await giambio.sleep_forever()

        @pytest.mark.giambio
        async def test_slow_fixture(slow): pass

        @pytest.mark.giambio
        async def test_slow_to_leave(slow_to_leave): pass

        @pytest.mark.giambio(timeout=None)
        async def test_has_all_the_time_it_needs():
            await giambio.sleep(0.7)
        """,
        giambio_timeout="0.5",
    )
    result.assert_outcomes(failed=1, errors=2, passed=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_slow_fixture*",
            ">       await giambio.sleep_forever()",
            "E       Failed: the fixture 'slow' of test_slow_fixture took longer than 0.5 s. "
            "Where its tasks were:",
            "E       *test_it.py:* in slow",
            "*ERROR at teardown of test_slow_to_leave*",
            "E       Failed: the fixture 'slow_to_leave' of test_slow_to_leave took longer *",
            "*_ test_slow _*",
            ">           async with lock:",
            "E           Failed: test_slow took longer than 0.3 s. Where its tasks were:",
            "E           *── test_slow (*) waits for Lock.acquire() on <giambio.Lock *",
            "E           *test_it.py:* in test_slow",
            "E           *── test_it.holder (*) waits for sleep_forever()",
            "E           *test_it.py:* in holder",
        ]
    )


def test_a_time_out_that_is_not_heeded_ends_the_test_by_force(project: Project) -> None:
    result = project(
        """
        import giambio, pytest

        cleaned_up = []

        @pytest.fixture
        async def open():
            async with giambio.TaskManager() as manager:
                manager.start_soon(giambio.sleep_forever)
                try:
                    yield
                finally:
                    cleaned_up.append("fixture")

        @pytest.mark.giambio(timeout=0.3)
        async def test_stubborn(open):
            try:
                await giambio.sleep_forever()
            except BaseException:
                await giambio.sleep_forever()
            finally:
                cleaned_up.append("test")

        @pytest.mark.giambio
        async def test_the_next_is_not_concerned():
            await giambio.sleep(0.001)
            assert cleaned_up == ["test", "fixture"]
        """
    )
    result.assert_outcomes(failed=1, passed=1)
    assert lines_with(
        result,
        "test_stubborn did not end within 0.3 s after it was told that its time is over; "
        "its tasks were closed by force:",
    )


def test_the_virtual_clock_is_a_fixture(project: Project) -> None:
    project(
        """
        import time, giambio, pytest
        from giambio.testing import VirtualClock

        pytestmark = pytest.mark.giambio
        begin = time.monotonic()

        @pytest.fixture
        async def an_hour():
            await giambio.sleep(3600)
            yield
            await giambio.sleep(3600)

        @pytest.mark.giambio(timeout=20)  # of real time
        async def test_the_test_is_on_it(virtual_clock):
            await giambio.sleep(86400)
            virtual_clock.jump(100)
            assert giambio.current_time() == virtual_clock.now() == 86500

        async def test_the_fixtures_are_on_it(an_hour, virtual_clock):
            assert giambio.current_time() == 3600

        class TestOther:
            @pytest.fixture
            def virtual_clock(self):
                return VirtualClock(start=1000)

            async def test_another_clock_of_that_name(self, virtual_clock):
                assert giambio.current_time() == 1000

        def test_ordinary(virtual_clock):
            giambio.run(giambio.sleep, 86400, clock=virtual_clock)
            assert virtual_clock.now() == 86400

        def test_no_time_has_passed():
            assert time.monotonic() - begin < 20

        @pytest.fixture
        def too_late(an_hour_less, request):
            return request.getfixturevalue("virtual_clock")

        @pytest.fixture
        async def an_hour_less():
            pass

        @pytest.mark.xfail(raises=pytest.fail.Exception, strict=True)
        async def test_asked_for_too_late(too_late):
            pass
        """
    ).assert_outcomes(passed=5, xfailed=1)


def test_a_deadlock_is_an_error_at_the_await(project: Project) -> None:
    """Rules 11.1, 11.2: raised into the test, with the tree."""
    result = project(
        """
        import giambio, pytest

        @pytest.mark.giambio
        async def test_it():
            async with giambio.TaskManager() as manager:
                manager.start_soon(giambio.Event().wait)
                await giambio.Lock().acquire()
                await giambio.Event().wait()
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">           await giambio.Event().wait()",
            "E           giambio.errors.DeadlockError: every task waits for another one*",
        ]
    )


# -- chance -------------------------------------------------------------------------------------

RACE = """
    import giambio, pytest

    pytestmark = pytest.mark.giambio

    async def test_order():
        order = []

        async def child(name):
            await giambio.checkpoint()
            order.append(name)

        async with giambio.TaskManager() as manager:
            for name in "abcdefgh":
                manager.start_soon(child, name)
        print("order:", *order)
        assert order == list("abcdefgh")

    @pytest.mark.giambio(seed=3)
    async def test_its_own_seed():
        assert False
"""


def test_a_seed_makes_the_schedule_random_and_is_told(project: Project) -> None:
    """Rule 2.3: the same seed gives the same run."""
    one, again, other = (project(RACE, f"--giambio-seed={seed}") for seed in (1, 1, 2))
    for result in (one, again, other):
        result.assert_outcomes(failed=2)
    assert lines_with(one, "order:") == lines_with(again, "order:") != lines_with(other, "order:")
    assert lines_with(one, "giambio: random schedule, --giambio-seed=1")
    assert len(lines_with(one, "random schedule; run it again with --giambio-seed=1")) == 1
    assert len(lines_with(one, "random schedule; run it again with --giambio-seed=3")) == 1


def test_a_seed_is_drawn_by_lot_and_can_be_repeated(project: Project) -> None:
    first = project(RACE, "--giambio-seed=random")
    (header,) = lines_with(first, "giambio: random schedule, --giambio-seed=")
    seed = header.rpartition("=")[2]
    again = project(RACE, f"--giambio-seed={seed}")
    assert lines_with(again, "order:") == lines_with(first, "order:")


def test_without_a_seed_tasks_run_in_turn_and_nothing_is_told(project: Project) -> None:
    result = project(RACE)
    result.assert_outcomes(failed=1, passed=1)
    assert len(lines_with(result, "random schedule")) == 1  # the test with its own


def test_the_seed_of_the_environment_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIAMBIO_SEED", "7")
    result = project(RACE)
    result.assert_outcomes(failed=2)
    assert lines_with(result, "random schedule; run it again with GIAMBIO_SEED=7")


# -- settings -----------------------------------------------------------------------------------


def test_the_mark_and_the_configuration_choose_the_loop(project: Project) -> None:
    code = """
        import giambio, pytest

        pytestmark = pytest.mark.giambio(strict=False)

        def name():
            return giambio.current_loop()._driver.name

        async def fail_in_a_manager():
            async with giambio.TaskManager():
                raise KeyError

        async def test_driver_of_the_command_line(pytestconfig):
            assert name() == "selectors"

        @pytest.mark.giambio(strict=True)
        class TestMarks:
            @pytest.mark.giambio(driver="selectors", timeout=5)
            async def test_all_marks_count(self):
                assert name() == "selectors"
                with pytest.raises(ExceptionGroup):
                    await fail_in_a_manager()

            @pytest.mark.giambio(strict=False)
            async def test_the_closest_mark_counts(self):
                with pytest.raises(KeyError):
                    await fail_in_a_manager()
    """
    project(code, "--giambio-driver=selectors").assert_outcomes(passed=3)
    code = code.replace("giambio(strict=False)", "giambio")
    project(code, "--giambio-driver=selectors", giambio_strict="true").assert_outcomes(
        passed=2, failed=1
    )


def test_a_mark_that_makes_no_sense_is_refused(project: Project) -> None:
    """Rule 19.1: the error names the mistake."""
    result = project(
        """
        import pytest

        @pytest.mark.giambio(time_out=5)
        async def test_1(): pass

        @pytest.mark.giambio(5)
        async def test_2(): pass

        @pytest.mark.giambio(timeout="soon")
        async def test_3(): pass

        @pytest.mark.giambio(timeout=-1)
        async def test_4(): pass

        @pytest.mark.giambio(driver="steam")
        async def test_5(): pass
        """
    )
    result.assert_outcomes(failed=5)
    takes = "@pytest.mark.giambio takes driver=, seed=, strict=, timeout= and nothing else; it got"
    result.stdout.fnmatch_lines(
        [
            f"{takes} time_out",
            f"{takes} 5",
            "@pytest.mark.giambio: timeout= needs a number of seconds, not 'soon'",
            "@pytest.mark.giambio: timeout= needs a number of seconds, not -1",
            "giambio's loop cannot be made: driver='steam': on this system there is *",
        ]
    )


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"giambio_mode": "on"}, (), "giambio_mode is strict or auto, not 'on'"),
        ({"giambio_timeout": "x"}, (), "giambio_timeout needs a number of seconds, not 'x'"),
        ({}, ("--giambio-seed=x",), "--giambio-seed needs a whole number or 'random', not 'x'"),
        (
            {"giambio_mode": "auto", "asyncio_mode": "auto"},
            (),
            "giambio_mode = auto and asyncio_mode = auto both claim every async test; leave one "
            "of them at strict, and mark its tests",
        ),
        (
            {"giambio_mode": "auto", "trio_mode": "true"},
            (),
            "giambio_mode = auto and trio_mode = true both claim every async test; *",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    project: Project,
    pytester: pytest.Pytester,
    settings: dict[str, str],
    options: tuple[str, ...],
    message: str,
) -> None:
    pytester.makeconftest(
        """
        def pytest_addoption(parser):
            parser.addini("asyncio_mode", "as pytest-asyncio has it")
            parser.addini("trio_mode", "as pytest-trio has it", type="bool", default=False)
        """
    )
    result = project("def test_it(): pass", *options, **settings)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_the_mark_is_registered_and_described(project: Project) -> None:
    result = project("", "--markers", "--strict-markers")
    result.stdout.fnmatch_lines(["@pytest.mark.giambio(timeout=, driver=, seed=, strict=): *"])


# -- the end --------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="a signal sent to oneself, as POSIX has")
def test_ctrl_c_ends_the_session_and_cleans_up(project: Project) -> None:
    """Rule 12.4: every `finally` runs."""
    result = project(
        """
        import os, signal, sys, giambio, pytest

        @pytest.fixture
        async def resource():
            try:
                yield
            finally:
                sys.stderr.write("fixture cleaned up\\n")

        @pytest.mark.giambio
        async def test_it(resource):
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await giambio.sleep_forever()
            finally:
                sys.stderr.write("test cleaned up\\n")

        def test_never_run():
            pass
        """,
        "-s",
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [line for line in result.errlines if "cleaned up" in line] == [
        "test cleaned up",
        "fixture cleaned up",
    ]
    result.assert_outcomes()


def test_the_entry_point_is_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    if not INSTALLED:
        pytest.skip("giambio is not installed here, but imported from its sources")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    code = "import giambio, pytest\n@pytest.mark.giambio\nasync def test_it():\n    pass\n"
    Path("test_found.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-W", "error", "test_found.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- a forgotten await ----------------------------------------------------------------------------

FORGETFUL = """
    import giambio, pytest

    async def work():
        pass

    @pytest.mark.giambio
    async def test_operation():
        giambio.sleep(1)

    @pytest.mark.giambio
    async def test_coroutine():
        held = work()
        await giambio.sleep(0)

    @pytest.mark.giambio
    async def test_held():
        held = giambio.sleep(1)

    @pytest.mark.giambio
    async def test_thrice():
        for _ in range(3):
            giambio.sleep(1)
        giambio.sleep(2)

    @pytest.mark.giambio
    async def test_all_is_well():
        await giambio.sleep(0)
        await work()
"""


@pytest.mark.parametrize("action", ["error", "default", "always"])
@pytest.mark.parametrize("pure", ["", "1"], ids=["as-installed", "pure"])
def test_a_forgotten_await_fails_the_test_and_names_the_line_of_the_call(
    project: Project, monkeypatch: pytest.MonkeyPatch, pure: str, action: str
) -> None:
    """Rule 19.8: also where warnings are errors, which nobody could catch."""
    monkeypatch.setenv("GIAMBIO_PURE", pure)
    result = project(FORGETFUL, "-W", action)
    result.assert_outcomes(passed=1, failed=4)
    lines = [line for line in lines_with(result, " was never") if not line.startswith("FAILED")]
    assert [line.partition("test_it.py:")[2] for line in lines] == [
        "8: sleep() was never awaited",
        "12: coroutine 'work' was never awaited",
        ":test_held: sleep() was never awaited; a variable held it until the function ended",
        "22: sleep() was never awaited",
        "23: sleep() was never awaited",
    ]
    assert "ignored" not in result.stdout.str() + result.stderr.str()


def test_a_fixture_that_forgets_an_await_fails_in_its_own_step(project: Project) -> None:
    """Rule 19.8."""
    result = project(
        """
        import giambio, pytest

        @pytest.fixture
        async def forgets_before():
            giambio.sleep(1)
            yield

        @pytest.fixture
        async def forgets_after():
            yield
            giambio.sleep(1)

        @pytest.mark.giambio
        async def test_one(forgets_before):
            pass

        @pytest.mark.giambio
        async def test_two(forgets_after):
            pass
        """
    )
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_one*",
            "*test_it.py:5: sleep() was never awaited",
            "*ERROR at teardown of test_two*",
            "*test_it.py:11: sleep() was never awaited",
        ]
    )


def test_a_test_that_fails_anyway_tells_both(project: Project) -> None:
    """Rule 19.8: the failure is often a consequence."""
    result = project(
        """
        import giambio, pytest

        @pytest.mark.giambio
        async def test_it():
            giambio.sleep(1)
            assert 1 == 2
        """
    )
    result.assert_outcomes(failed=1)
    assert lines_with(result, "assert 1 == 2")
    assert len(lines_with(result, "test_it.py:5: sleep() was never awaited")) == 1


def test_a_forgotten_await_that_is_expected_or_ignored_fails_nothing(project: Project) -> None:
    """Rule 19.8."""
    result = project(
        """
        import warnings, giambio, pytest

        pytestmark = pytest.mark.giambio

        async def work():
            pass

        async def test_expected():
            with pytest.warns(RuntimeWarning, match="never awaited"):
                giambio.sleep(1)

        async def test_recorded(recwarn):
            work()
            assert len(recwarn) == 1

        @pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
        async def test_coroutine():
            work()

        @pytest.mark.filterwarnings("ignore::RuntimeWarning")
        async def test_operation():
            giambio.sleep(1)

        @pytest.mark.xfail(strict=True)
        async def test_fails():
            giambio.sleep(1)
        """
    )
    result.assert_outcomes(passed=4, xfailed=1)


def test_tests_that_are_not_ours_and_other_warnings_are_left_to_pytest(project: Project) -> None:
    """Rule 19.8."""
    result = project(
        """
        import asyncio, gc, sys, warnings, giambio, pytest

        async def work():
            pass

        def test_of_asyncio():
            async def main():
                work()
            asyncio.run(main())
            assert sys.get_coroutine_origin_tracking_depth() == 0

        def test_leaves_garbage():
            gc.disable()
            cycle = [work()]
            cycle.append(cycle)

        @pytest.mark.giambio
        async def test_other_warnings():
            gc.enable()
            gc.collect()
            warnings.warn("something else")

        def test_tracks_no_more():
            assert sys.get_coroutine_origin_tracking_depth() == 0
        """,
        "-W",
        "always",
    )
    result.assert_outcomes(passed=4, warnings=3)
    assert len(lines_with(result, "coroutine 'work' was never awaited")) == 2
    assert lines_with(result, "UserWarning: something else")


# -- simulations -----------------------------------------------------------------------------------

COUNTING = """
    import giambio, pytest
    from giambio.testing import Faults

    seeds = []

    @pytest.mark.giambio_simulate(seeds=3, faults=Faults(crashes=1))
    async def test_simulated(sim, tmp_path):
        seeds.append(sim.seed)
        await sim.host("worker", giambio.sleep, 5).join()
        assert tmp_path.exists()

    def test_seeds():
        assert seeds == EXPECTED
"""


def test_a_simulation_runs_under_each_of_its_seeds(project: Project) -> None:
    project(COUNTING.replace("EXPECTED", "[0, 1, 2]")).assert_outcomes(passed=2)


def test_the_command_line_has_a_simulation_run_under_one_seed(project: Project) -> None:
    code = COUNTING.replace("EXPECTED", "[7]")
    project(code, "--giambio-seed=7").assert_outcomes(passed=2)


def test_a_simulation_that_fails_tells_the_command_that_runs_it_again(project: Project) -> None:
    result = project(
        """
        import giambio, pytest

        @pytest.mark.giambio_simulate(seeds=5)
        async def test_fails(sim):
            await giambio.sleep(3)
            assert sim.seed < 2
        """
    )
    result.assert_outcomes(failed=1)
    assert lines_with(result, "simulated with seed 2, and failed at 3.000000 s")
    assert lines_with(result, "run it again with pytest 'test_it.py::test_fails' --giambio-seed=2")


@pytest.mark.parametrize(
    ("mark", "argument", "message"),
    [
        ("", "", "is a simulation, so it needs an argument `sim`"),
        ("(seed=3)", "sim", "takes seeds=, faults= and nothing else; it got seed"),
        ("(seeds=0)", "sim", "would run nothing at all"),
    ],
)
def test_mistakes_in_simulations_are_told(
    project: Project, mark: str, argument: str, message: str
) -> None:
    result = project(
        f"""
        import pytest

        @pytest.mark.giambio_simulate{mark}
        async def test_fails({argument}):
            pass
        """
    )
    result.assert_outcomes(failed=1)
    assert lines_with(result, message)
