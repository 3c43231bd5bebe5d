"""`ClusterManager`: the guarantees of a `TaskManager`, and what happens to processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest

import giambio
from support import remote_functions as far
from support.net import server_port

pytest.importorskip("distributed")
dask = pytest.importorskip("dask")

HERE = Path(__file__).resolve()
TESTS = HERE.parents[1]
SECONDS = 50
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)]),
}


@pytest.fixture(autouse=True)
def nothing_left_open() -> None:
    """Not looked at: Dask keeps a thread for callbacks, and what it has opened until later."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The scheduler of a cluster with two workers of two threads each."""
    with subprocess.Popen(
        [sys.executable, str(TESTS / "support" / "local_cluster.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(params=["TaskManager", "Dask"])
def manager(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes a manager; a test that uses it is about what is guaranteed of both."""
    if request.param == "TaskManager":
        return giambio.TaskManager
    scheduler = request.getfixturevalue("address")
    return lambda **options: giambio.ClusterManager(scheduler, **options)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a function returns something true."""
    with giambio.fail_after(SECONDS):
        while not condition():
            await giambio.sleep(0.01)


async def until_noted(folder: Path, count: int, text: str = "") -> None:
    """Wait until so much was noted."""
    await until(lambda: sum(text in line for line in far.notes(folder)) >= count)


# -- what is guaranteed of a TaskManager, and here -------------------------------------------


def test_the_block_joins_all(manager: Any, tmp_path: Path) -> None:
    """Rule 30.1."""

    async def main() -> None:
        async with manager() as block:
            tasks = [await block.spawn(far.nap_async, str(tmp_path), f"{n}", 0.1) for n in "abc"]
        assert [task.result() for task in tasks] == ["a", "b", "c"]
        assert sum("cleans up" in line for line in far.notes(tmp_path)) == 3

    giambio.run(main)


def test_a_failure_cancels_the_others_and_is_raised(manager: Any, tmp_path: Path) -> None:
    """Rules 30.1, 30.2: when they have ended."""

    async def fail_when_the_other_runs() -> None:
        async with manager() as block:
            await block.spawn(far.nap_async, str(tmp_path), "a")
            await until_noted(tmp_path, 1)
            await block.spawn(far.fail_async, "broken")

    with pytest.raises(ValueError, match="broken"):
        giambio.run(fail_when_the_other_runs)
    assert far.notes(tmp_path) == ["a begins", "a cleans up"]


def test_cancelling_reaches_calls_and_waits_for_their_end(manager: Any, tmp_path: Path) -> None:
    """Rule 30.3."""

    async def main() -> None:
        async with manager() as block:
            tasks = [await block.spawn(far.nap_async, str(tmp_path), f"{n}") for n in "ab"]
            await until_noted(tmp_path, 2)
            block.cancel()
        assert all(task.cancelled() for task in tasks)
        assert sum("cleans up" in line for line in far.notes(tmp_path)) == 2

    giambio.run(main)


def test_a_cancellation_from_outside(manager: Any, tmp_path: Path) -> None:
    """Rule 30.3."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            async with manager() as block:
                await block.spawn(far.nap_async, str(tmp_path), "a")
                await until_noted(tmp_path, 1)
                scope.cancel()
        assert scope.cancelled_caught

    giambio.run(main)
    assert far.notes(tmp_path) == ["a begins", "a cleans up"]


def test_one_call_is_cancelled_alone(manager: Any, tmp_path: Path) -> None:
    """Rule 30.3."""

    async def main() -> None:
        async with manager() as block:
            one = await block.spawn(far.nap_async, str(tmp_path), "a")
            other = await block.spawn(far.nap_async, str(tmp_path), "b", 0.3)
            await until_noted(tmp_path, 2)
            one.cancel()
        assert one.cancelled()
        assert other.result() == "b"

    giambio.run(main)


def test_several_failures_are_a_group(manager: Any, tmp_path: Path) -> None:
    """Rule 30.2."""

    async def main() -> None:
        async with manager() as block:
            await block.spawn(far.fail_at_the_end, str(tmp_path), "one")
            await block.spawn(far.fail_at_the_end, str(tmp_path), "two")
            await until_noted(tmp_path, 2)
            block.cancel()

    with pytest.raises(ExceptionGroup) as caught:
        giambio.run(main)
    assert {str(error) for error in caught.value.exceptions} == {"one", "two"}


def test_the_limit_is_backpressure(manager: Any, tmp_path: Path) -> None:
    """Rule 30.4."""

    async def main() -> None:
        async with manager(limit=2) as block:
            for name in "ab":
                await block.spawn(far.nap_async, str(tmp_path), name)
            with giambio.move_on_after(0.3) as scope:
                await block.spawn(far.nap_async, str(tmp_path), "c")
            assert scope.cancelled_caught
            block.cancel()

    giambio.run(main)
    assert not any(line.startswith("c") for line in far.notes(tmp_path))


def test_the_body_fails(manager: Any, tmp_path: Path) -> None:
    """Rule 30.2."""

    async def main() -> None:
        async with manager() as block:
            await block.spawn(far.nap_async, str(tmp_path), "a")
            await until_noted(tmp_path, 1)
            raise KeyError

    with pytest.raises(KeyError):
        giambio.run(main)
    assert far.notes(tmp_path) == ["a begins", "a cleans up"]


# -- calls ---------------------------------------------------------------------------------


def test_ordinary_and_async_functions(address: str) -> None:
    """Rule 30.1."""

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            assert await cluster.map_concurrent(far.double, range(20)) == list(range(0, 40, 2))
            assert await cluster.map_concurrent(far.double_async, [1, 2]) == [2, 4]
            task = await cluster.spawn(far.where, name="where it runs")
            assert task.name == "where it runs"
            assert repr(cluster) == "<giambio.ClusterManager limit 8>"
        assert task.result() != os.getpid()

    giambio.run(main)


def test_an_exception_has_the_traceback_of_the_worker(address: str) -> None:
    """Rule 30.2."""

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            await cluster.spawn(far.fail, "broken")

    with pytest.raises(ValueError, match="broken") as caught:
        giambio.run(main)
    (note,) = caught.value.__notes__
    assert note.startswith("On the worker:\nTraceback")
    assert "remote_functions.py" in note


@pytest.mark.parametrize(
    ("function", "args", "error", "message"),
    [
        (far.fail, ("odd",), giambio.RemoteError, "Odd: 1 and 2"),
        (far.fail, ("exit",), giambio.RemoteError, "SystemExit: 3"),
        (far.fail_elsewhere, (), giambio.RemoteError, "only_there.Elsewhere: from afar"),
        (far.unsendable, (), TypeError, r"the result of unsendable\(\) cannot be sent"),
    ],
)
def test_what_cannot_travel(
    address: str, function: Any, args: Any, error: type[Exception], message: str
) -> None:
    """Rule 30.2."""

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            await cluster.spawn(function, *args)

    with pytest.raises(error, match=message):
        giambio.run(main)


def test_an_ordinary_function_is_cancelled_and_cleans_up(address: str, tmp_path: Path) -> None:
    """Rule 30.3."""

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            await cluster.spawn(far.spin, str(tmp_path), "a")
            await until_noted(tmp_path, 1)
            cluster.cancel()

    giambio.run(main)
    assert far.notes(tmp_path) == ["a begins", "a cleans up"]


def test_what_has_not_begun_never_does(address: str, tmp_path: Path) -> None:
    """Rule 30.3: also when the workers have time again."""

    async def main() -> None:
        async with giambio.ClusterManager(address, limit=20) as cluster:
            for number in range(12):
                await cluster.spawn(far.nap_async, str(tmp_path), str(number))
            await until_noted(tmp_path, 4)
            cluster.cancel()
        begun = sum("begins" in line for line in far.notes(tmp_path))
        assert sum("cleans up" in line for line in far.notes(tmp_path)) == begun
        async with giambio.ClusterManager(address) as cluster:
            await cluster.map_concurrent(far.double, range(20))
        assert sum("begins" in line for line in far.notes(tmp_path)) == begun

    giambio.run(main)


@pytest.mark.parametrize("function", [far.nap_async, far.spin])
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_one_call_is_cancelled_before_during_and_after_it_ran(
    address: str, tmp_path: Path, function: Any, when: str
) -> None:
    """Rule 30.3: async and ordinary, with the clean-up over there."""
    folder = str(tmp_path)

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            # They take all four threads, so that another call cannot begin.
            others = [await cluster.spawn(far.nap_async, folder, "other") for _ in range(4)]
            await until_noted(tmp_path, 4, "other begins")
            task = await cluster.spawn(function, folder, "a", 0 if when == "after" else 60)
            if when != "before":
                others.pop().cancel()
                await until_noted(tmp_path, 1, "a begins")
            if when == "after":
                await task.join()
            assert task.cancel() is (when != "after")
            if when != "after":
                with pytest.raises(giambio.TaskCancelled):
                    await task.join()
            # When the task has ended, so has the call.
            seen = [] if when == "before" else ["a begins", "a cleans up"]
            assert [line for line in far.notes(tmp_path) if line.startswith("a ")] == seen
            for other in others:
                other.cancel()
        if when == "after":
            assert task.result() == "a"
        assert [line for line in far.notes(tmp_path) if line.startswith("a ")] == seen

    giambio.run(main)


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_block_joins_a_map_of_another_task(
    address: str, tmp_path: Path, cancelled: bool
) -> None:
    """Rule 30.1: it is cancelled with the block, too."""

    async def nap(name: str) -> str:
        return await far.nap_async(str(tmp_path), name, 60 if cancelled else 0.3)

    async def use(cluster: giambio.ClusterManager) -> None:
        if cancelled:
            with pytest.raises(giambio.TaskCancelled, match="because their ClusterManager was"):
                await cluster.map_concurrent(nap, "ab")
        else:
            assert await cluster.map_concurrent(nap, "ab") == ["a", "b"]

    async def main() -> None:
        async with giambio.TaskManager() as outside:
            async with giambio.ClusterManager(address) as cluster:
                outside.start_soon(use, cluster)
                await until_noted(tmp_path, 2, "begins")
                if cancelled:
                    cluster.cancel()
            assert sum("cleans up" in line for line in far.notes(tmp_path)) == 2

    giambio.run(main)


def test_a_failure_is_not_lost_when_a_cancellation_comes_last(address: str) -> None:
    """Rule 30.2: the call has failed, and the task waits for a thread to learn it."""

    async def main() -> None:
        go = threading.Event()
        limiter = giambio.current_default_thread_limiter()
        limiter.total_tokens = 1
        async with giambio.TaskManager() as outside, giambio.ClusterManager(address) as cluster:
            outside.start_soon(giambio.to_thread, go.wait)
            try:
                await until(lambda: limiter.borrowed_tokens == 1)
                task = await cluster.spawn(far.fail, "broken")
                await until(lambda: limiter.statistics().tasks_waiting == 1)
                task.cancel()
                await giambio.checkpoint()
            finally:
                go.set()

    with pytest.raises(ValueError, match="broken"):
        giambio.run(main)


def test_an_abandoned_call_is_cancelled_and_not_waited_for(address: str, tmp_path: Path) -> None:
    """Rule 30.11."""
    folder = str(tmp_path)

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            task = await cluster.spawn(far.wait_for_file, folder, "go", abandon_on_cancel=True)
            with giambio.CancelScope() as scope:
                async with giambio.TaskManager() as manager:
                    naps = partial(far.wait_for_file, folder)
                    await manager.spawn(
                        partial(cluster.map_concurrent, naps, ["go"], abandon_on_cancel=True)
                    )
                    await until_noted(tmp_path, 2, "begins")
                    scope.cancel()
            assert task.cancel()
        assert task.cancelled()
        assert not any("cleans up" in line for line in far.notes(tmp_path))
        (tmp_path / "go").touch()
        await until_noted(tmp_path, 2, "cleans up")

    giambio.run(main)


def test_context_variables(address: str) -> None:
    """Rule 30.9: for each call, and no longer."""

    async def main() -> None:
        async with giambio.ClusterManager(address, context={far.tenant: "acme"}) as cluster:
            assert await cluster.map_concurrent(far.tenant_of, range(8)) == ["acme"] * 8
            assert await cluster.map_concurrent(far.tenant_of_async, range(2)) == ["acme"] * 2
        async with giambio.ClusterManager(address) as cluster:
            assert await cluster.map_concurrent(far.tenant_of, range(8)) == ["nobody"] * 8

    giambio.run(main)


BAR = """
    import sys
    import giambio
    from support import remote_functions as far

    async def main():
        async with giambio.ClusterManager(sys.argv[1]) as cluster:
            print(await cluster.map_concurrent(far.double, range(3), progress=True))
            await cluster.map_concurrent(far.double, iter(range(3)), progress=True)

    giambio.run(main)
"""


@pytest.mark.parametrize("forced", [False, True])
def test_a_progress_bar(address: str, forced: bool) -> None:
    """Rule 30.10: not in a pipe, unless the environment says so."""
    pytest.importorskip("rich")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "FORCE_COLOR"}
    if forced:
        environment["FORCE_COLOR"] = "1"
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BAR), address],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert ended.stdout == "[0, 2, 4]\n"
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", ended.stderr)
    assert bool(re.search("double .* 3/3 ", shown)) is forced
    assert bool(re.search(r"double .* 3/\? ", shown)) is forced
    assert forced or not shown


def test_many_small_calls(address: str) -> None:
    """Rule 30.4."""

    async def main() -> int:
        async with giambio.ClusterManager(address, limit=50) as cluster:
            return sum(await cluster.map_concurrent(far.double, range(1000)))

    assert giambio.run(main) == 999_000


LOCAL = """
    import giambio
    import psutil

    def listens(port):
        sockets = psutil.Process().net_connections("inet")
        return any(sock.laddr.port == port for sock in sockets)

    async def main():
        async with giambio.ClusterManager() as cluster:
            print(await cluster.map_concurrent(abs, [-1, -2, -3]), listens(8787))

    if __name__ == "__main__":
        giambio.run(main)
"""


def test_a_cluster_of_this_machine(tmp_path: Path) -> None:
    """Rule 30.1: without the port of Dask's dashboard, which another cluster may have."""
    (tmp_path / "program.py").write_text(textwrap.dedent(LOCAL))
    ended = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.stdout == "[1, 2, 3] False\n", ended.stderr


# -- bad days --------------------------------------------------------------------------------


def test_a_function_that_kills_its_worker_runs_once(address: str, tmp_path: Path) -> None:
    """Rule 30.5."""

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            await cluster.spawn(far.kill_worker, str(tmp_path))

    with pytest.raises(giambio.WorkerLost):
        giambio.run(main)
    assert far.notes(tmp_path) == ["begins"]


def test_a_function_that_may_run_again_does(address: str, tmp_path: Path) -> None:
    """Rule 30.5."""

    async def main() -> str:
        async with giambio.ClusterManager(address) as cluster:
            task = await cluster.spawn(far.kill_worker, str(tmp_path), 1, retries=1)
        return str(task.result())

    assert giambio.run(main) == "survived"
    assert far.notes(tmp_path) == ["begins", "begins"]


def test_a_worker_that_is_killed_while_idle(address: str) -> None:
    """Rule 30.5: another one runs what comes then."""

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            task = await cluster.spawn(far.where)
            await task.join()
            os.kill(task.result(), signal.SIGKILL)
            await cluster.map_concurrent(far.double, range(20), retries=3)

    giambio.run(main)


class Machines:
    """A scheduler and a worker that are started and killed one by one."""

    def __init__(self, folder: Path) -> None:
        self.port = server_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._log = folder / "log"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def scheduler(self) -> subprocess.Popen[bytes]:
        """Start the scheduler, always at the same address."""
        return self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        return self._start("worker", self.address, "--nthreads", "2", "--no-nanny")

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options]
        with open(self._log, "a") as log:
            process = subprocess.Popen(
                [*command, "--no-dashboard"], env=ENVIRONMENT, stdout=log, stderr=log
            )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_scheduler_has_gone(tmp_path: Path, cancelled: bool) -> None:
    """Rule 30.7: its calls are lost, and one that is cancelled then is over."""

    async def main(scheduler: subprocess.Popen[bytes], address: str) -> None:
        async with giambio.ClusterManager(address, limit=4) as cluster:
            await cluster.spawn(far.nap_async, str(tmp_path), "a")
            await until_noted(tmp_path, 1)
            scheduler.kill()
            if cancelled:
                cluster.cancel()

    with Machines(tmp_path) as machines:
        scheduler = machines.scheduler()
        machines.worker()
        if cancelled:
            giambio.run(main, scheduler, machines.address)
        else:
            with pytest.raises(giambio.WorkerLost, match="lost the connection to the scheduler"):
                giambio.run(main, scheduler, machines.address)
        # The worker has noticed by itself, and ends what ran there.
        giambio.run(until_noted, tmp_path, 1, "cleans up")


def test_the_scheduler_has_gone_and_is_back(tmp_path: Path) -> None:
    """Rule 30.7: what was under way is lost, and what is called then waits for the new one."""

    async def lose(cluster: giambio.ClusterManager) -> None:
        with pytest.raises(giambio.WorkerLost):
            await cluster.map_concurrent(partial(far.nap_async, str(tmp_path), "a"), [60])

    async def main(machines: Machines) -> None:
        scheduler, worker = machines.scheduler(), machines.worker()
        async with giambio.ClusterManager(machines.address, limit=4) as cluster:
            async with giambio.TaskManager() as manager:
                manager.start_soon(lose, cluster)
                await until_noted(tmp_path, 1)
                scheduler.kill()
                scheduler.wait()
            task = await cluster.spawn(far.double, 21)
            await until(lambda: worker.poll() is not None)
            assert not task.done()
            machines.scheduler()
            machines.worker()
            await task.join()
            # The new scheduler notes what has begun, too; and no other worker is waited for.
            await cluster.spawn(far.kill_worker, str(tmp_path), 3)
        assert task.result() == 42

    with Machines(tmp_path) as machines, pytest.raises(giambio.WorkerLost):
        giambio.run(main, machines)
    assert far.notes(tmp_path) == ["a begins", "a cleans up", "begins"]


PROGRAM = """
    import sys
    import giambio
    from support import remote_functions as far

    async def main():
        async with giambio.ClusterManager(sys.argv[1]) as cluster:
            for name in "abcdef":
                await cluster.spawn(far.nap_async, sys.argv[2], name)

    giambio.run(main)
"""


def test_ctrl_c_leaves_nothing_running(address: str, tmp_path: Path) -> None:
    """Rule 30.3."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), address, str(tmp_path)],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        giambio.run(until_noted, tmp_path, 4)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=SECONDS)[1]
    assert "KeyboardInterrupt" in errors
    begun = sum("begins" in line for line in far.notes(tmp_path))
    assert sum("cleans up" in line for line in far.notes(tmp_path)) == begun


INTERRUPTED = """
    import sys
    import giambio
    from support import remote_functions as far

    async def main():
        async with giambio.ClusterManager() as cluster:
            for name in "ab":
                await cluster.spawn(far.nap_async, sys.argv[1], name)

    if __name__ == "__main__":
        giambio.run(main)
"""


def test_ctrl_c_ends_a_cluster_of_this_machine(tmp_path: Path) -> None:
    """Rules 30.3, 30.8: a terminal sends it to all processes, and none of them is left."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(INTERRUPTED))
    with subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        giambio.run(until_noted, tmp_path, 2)
        os.killpg(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=SECONDS)[1]
    assert "KeyboardInterrupt" in errors

    def is_empty() -> bool:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    giambio.run(until, is_empty)


# -- mistakes --------------------------------------------------------------------------------


def test_mistakes(address: str) -> None:
    """Rule 30.6."""

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            with pytest.raises(TypeError, match="needs a function, not <coroutine"):
                await cluster.spawn(far.double_async(1))  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"write ClusterManager.spawn\(function, argument"):
                await cluster.spawn("double")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"write .*map_concurrent\(function, items\)"):
                await cluster.map_concurrent([1], far.double)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"cannot send double\(\).*pickle 'Lock' object"):
                await cluster.spawn(far.double, giambio.Lock())
            with pytest.raises(ValueError, match="from 0 up for retries"):
                await cluster.spawn(far.double, 1, retries=-1)
        with pytest.raises(giambio.RunFinishedError):
            await cluster.spawn(far.double, 1)
        with pytest.raises(giambio.RunFinishedError, match="this ClusterManager's block was left"):
            await cluster.map_concurrent(far.double, [1])
        with pytest.raises(RuntimeError, match="used already; make a new one"):
            await cluster.__aenter__()
        with pytest.raises(RuntimeError, match="not entered yet; call functions inside of"):
            await giambio.ClusterManager(address).spawn(far.double, 1)

    giambio.run(main)
    with pytest.raises(TypeError, match="needs the address of a scheduler"):
        giambio.ClusterManager(8786)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 1 up for limit"):
        giambio.ClusterManager(address, limit=0)
    with pytest.raises(TypeError, match=r"needs context=\{variable: value\}, not \["):
        giambio.ClusterManager(address, context=[far.tenant])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs context variables in context=, not 'tenant'"):
        giambio.ClusterManager(address, context={"tenant": 1})  # type: ignore[dict-item]
    nowhere: ContextVar[int] = ContextVar("nowhere")
    with pytest.raises(ValueError, match=r"'nowhere'.*define it at the top level of a module"):
        giambio.ClusterManager(address, context={nowhere: 1})


def test_a_bar_without_rich(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 30.10."""
    for name in ("rich.console", "giambio.cluster.progress"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    missing = ModuleNotFoundError("No module named 'rich'", name="rich")

    class Missing:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name.startswith("rich."):
                raise missing

    monkeypatch.setattr(sys, "meta_path", [Missing, *sys.meta_path])

    async def main() -> None:
        async with giambio.ClusterManager(address) as cluster:
            await cluster.map_concurrent(far.double, [1], progress=True)

    with pytest.raises(ModuleNotFoundError, match=r"python -m pip install 'giambio\[progress\]'"):
        giambio.run(main)


def test_there_is_no_scheduler() -> None:
    """Rule 30.6."""

    async def main() -> None:
        async with giambio.ClusterManager("tcp://127.0.0.1:1"):
            pass

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}), pytest.raises(OSError):
        giambio.run(main)
