"""`simulate`: a system of hosts, run by one seed, and the smallest set of faults that breaks it.

A run is a loop with a virtual clock, a random schedule and a driver for simulated sockets. Whatever
happens in it follows from the seed, so a failure can be looked at again as often as one likes;
and with fewer faults, until each that is left is needed (delta debugging, Zeller 1999).
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar, overload

from giambio.arguments import check_seconds, is_int
from giambio.inspect.deadlocks import DeadlockDetector
from giambio.inspect.task_tree import format_task_tree, tree_of
from giambio.kernel.kernel import check_no_loop_runs
from giambio.net.resolver import set_resolver
from giambio.runtime.loop import EventLoop
from giambio.tasks.manager import TaskManager
from giambio.testing.seeds import check_function, seeds_of
from giambio.testing.simulation.checks import Checks
from giambio.testing.simulation.driver import SimulatedDriver
from giambio.testing.simulation.faults import Draft, Fault, Faults, bring_about, plan_of
from giambio.testing.simulation.host import Host
from giambio.testing.simulation.network import Link, Network, Packet
from giambio.testing.simulation.patches import patched
from giambio.testing.simulation.resolver import SimulatedResolver
from giambio.testing.simulation.tcp import StreamEnd
from giambio.testing.virtual_clock import VirtualClock
from giambio.threads.call import ThreadCall
from giambio.threads.workers import INSTEAD

__all__ = ["Simulation", "simulate"]

T = TypeVar("T")

#: How long a simulation may take, in seconds of its own.
TIMEOUT = 3600.0
#: How many of the last events a failure tells.
TOLD = 8


class Simulation:
    """What the function that describes a system gets: it makes hosts, and troubles them.

    Example:
        >>> import giambio
        >>> from giambio.testing import simulate
        >>> async def greet(stream):
        ...     await stream.send_all(b"hello")
        >>> async def server():
        ...     await giambio.serve_tcp(greet, 80, host=None)
        >>> async def client(greetings):
        ...     async with giambio.connect_tcp("server", 80) as stream:
        ...         greetings.append(await stream.receive())
        >>> async def system(sim):
        ...     greetings = []
        ...     sim.host("server", server)
        ...     await giambio.sleep(1)
        ...     await sim.host("client", client, greetings).join()
        ...     return greetings
        >>> simulate(system, seed=7)
        [b'hello']
    """

    def __init__(self, seed: int, network: Network, manager: TaskManager, checks: Checks) -> None:
        #: The seed of this run.
        self.seed = seed
        #: Where chance comes from for the description of the system.
        self.random = network.random
        #: The faults that have happened.
        self.happened: list[Fault] = []
        self._network = network
        self._manager = manager
        self._checks = checks

    @property
    def hosts(self) -> dict[str, Host]:
        """The hosts by their names. Treat it as read-only.

        Example:
            >>> import giambio
            >>> from giambio.testing import simulate
            >>> async def system(sim):
            ...     sim.host("db", giambio.sleep_forever)
            ...     return sorted(sim.hosts)
            >>> simulate(system, seed=1)
            ['db']
        """
        return self._network.hosts

    def host(
        self,
        name: str,
        function: Callable[..., Awaitable[object]],
        /,
        *args: Any,
        skew: float = 0.0,
        **keywords: Any,
    ) -> Host:
        """Add a host, and start its function.

        Parameters:
            name: its name, which the others find it by.
            function: an async function: all that the host does. If it fails, the simulation
                fails; if it returns, the host stays up.
            args, keywords: its arguments.
            skew: how many seconds its clock, `time.time`, is ahead; below zero: behind.

        Returns:
            The host.

        Raises:
            TypeError: `name` is no text, or `function` no async function.
            ValueError: there is a host of that name.

        Not a checkpoint.

        Example: see `Simulation`.
        """
        if not isinstance(name, str):
            raise TypeError(f"sim.host() needs a name first, a text, not {name!r}")
        check_function("sim.host()", function, f"sim.host({name!r}, function)")
        if name in self.hosts:
            raise ValueError(
                f"there is a host {name!r}; keep what sim.host() returned, and restart() it"
            )
        network = self._network
        host = Host(name, function, args, keywords, network, self._manager, skew)
        self.hosts[name] = network.by_address[host.address] = host
        network.by_address[host.address6] = host
        host.start()
        return host

    def link(self, one: str, other: str) -> Link:
        """Return the way between two hosts, whose latency and so on can be set.

        Parameters:
            one, other: the names of the hosts; they need not be there yet.

        Example: see `Link`.
        """
        return self._network.link(one, other)

    def partition(self, one: str | Iterable[str], other: str | Iterable[str]) -> None:
        """Let nothing pass between two hosts, or two groups of them, until `heal`.

        Parameters:
            one, other: the name of a host, or several.

        TCP tries again for a long time, as it does in reality, so most programs notice a
        partition by their timeouts.

        Raises:
            ValueError: there is no host of that name.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> from giambio.testing import simulate
            >>> async def system(sim):
            ...     sim.host("db", giambio.sleep_forever)
            ...     sim.host("web", giambio.sleep_forever)
            ...     sim.partition("web", "db")
            ...     await giambio.sleep(5)
            ...     sim.heal()
            >>> simulate(system, seed=1)
        """
        self._network.partition(self._names(one), self._names(other))

    def heal(self, *hosts: str) -> None:
        """End partitions: all, or those of some hosts.

        Parameters:
            hosts: their names; by default all hosts.

        Raises:
            ValueError: there is no host of that name.

        Not a checkpoint.

        Example: see `partition`.
        """
        self._network.heal(self._names(hosts))

    def reset(self, one: str, other: str) -> None:
        """Reset all connections between two hosts, as a firewall does that has lost its memory.

        Parameters:
            one, other: their names.

        Raises:
            ValueError: there is no host of that name.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> from giambio.testing import simulate
            >>> async def system(sim):
            ...     sim.host("db", giambio.sleep_forever)
            ...     sim.host("web", giambio.sleep_forever)
            ...     sim.reset("web", "db")
            >>> simulate(system, seed=1)
        """
        pair = set(self._names([one, other]))
        self._network.note("reset", one, other)
        for sock in list(self._network.sockets.values()):
            if isinstance(sock.end, StreamEnd) and sock.end.between() == pair:
                sock.end.fail(errno.ECONNRESET)

    def intercept(self, rule: Callable[[Packet], float | None] | None) -> None:
        """Have a function decide what becomes of each packet.

        Parameters:
            rule: called with each `Packet`. It returns after how many seconds that is there,
                infinity to lose it, or None to leave that to the link. It replaces an
                earlier one; None: no function.

        Not a checkpoint.

        Example:
            >>> import giambio, math
            >>> from giambio.testing import simulate
            >>> async def client():
            ...     try:
            ...         with giambio.fail_after(10):
            ...             await giambio.connect_tcp("server", 80)
            ...     except TimeoutError:
            ...         print("no answer")
            >>> async def system(sim):
            ...     sim.host("server", giambio.serve_tcp, print, 80)
            ...     sim.intercept(lambda packet: math.inf if packet.kind == "syn" else None)
            ...     await sim.host("client", client).join()
            >>> simulate(system, seed=1)
            no answer
        """
        self._network.rule = rule

    def always(self, check: Callable[[], object]) -> None:
        """Fail as soon as a check is false; it is made after every step of a task.

        Parameters:
            check: an ordinary function without parameters.

        Raises, in the simulation:
            AssertionError: the check was false.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> from giambio.testing import simulate
            >>> async def system(sim):
            ...     stock = [3]
            ...     sim.always(lambda: stock[0] >= 0)
            ...     stock[0] -= 2
            ...     await giambio.checkpoint()
            >>> simulate(system, seed=1)
        """
        self._checks.always(check)

    def eventually(self, check: Callable[[], object], within: float) -> None:
        """Fail unless a check is true within some seconds. The simulation goes on until then.

        Parameters:
            check: an ordinary function without parameters.
            within: seconds, of the simulation.

        Raises:
            TypeError, ValueError: `within` is no number of seconds.

        Raises, in the simulation:
            AssertionError: the check was never true.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> from giambio.testing import simulate
            >>> async def work(done):
            ...     await giambio.sleep(40)
            ...     done.append("work")
            >>> async def system(sim):
            ...     done = []
            ...     sim.host("worker", work, done)
            ...     sim.eventually(lambda: done, within=60)
            >>> simulate(system, seed=1)
        """
        check_seconds("sim.eventually()", "within", within)
        self._checks.eventually(check, within)

    def digest(self) -> str:
        """Return a hash of what has happened to hosts and in the network.

        Two runs were the same, as far as one can tell from outside, if theirs are.

        Example:
            >>> import giambio
            >>> from giambio.testing import simulate
            >>> async def system(sim):
            ...     await sim.host("worker", giambio.sleep, sim.random.random()).join()
            ...     return sim.digest()
            >>> simulate(system, seed=1) == simulate(system, seed=1)
            True
        """
        return self._network.digest()

    def _names(self, hosts: str | Iterable[str]) -> list[str]:
        names = [hosts] if isinstance(hosts, str) else list(hosts)
        for name in names:
            if name not in self.hosts:
                known = ", ".join(map(repr, self.hosts)) or "none"
                raise ValueError(f"there is no host {name!r}; there are: {known}")
        return names


class Run:
    """One run of a simulation, with a plan of faults."""

    def __init__(
        self,
        system: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        seed: int,
        plan: Sequence[Draft | Fault],
        timeout: float,
    ) -> None:
        self._system = system
        self._args = args
        self.seed = seed
        self.plan = plan
        self.timeout = timeout
        self._clock = VirtualClock()
        self.sim: Simulation | None = None

    def result(self) -> Any:
        """Run it, and return the result of the function that describes the system."""
        now = self._clock.now
        driver = SimulatedDriver(self._stalled, now, self.timeout, self._too_late)
        self._loop = EventLoop(
            driver=driver, clock=self._clock, seed=self.seed, detect_deadlocks=False
        )
        self._detector = DeadlockDetector(self._loop)
        self._network = Network(self._loop, Random(f"network {self.seed}"), driver.sockets)
        self._resolver = SimulatedResolver(self._network)
        with patched(self._network, self._resolver, self.seed, now):
            return self._loop.start(self._main)

    async def _main(self) -> Any:
        self._loop._services[INSTEAD] = self._run_jobs
        set_resolver(self._resolver)
        checks = Checks(self._loop)
        async with TaskManager() as manager:
            self.sim = sim = Simulation(self.seed, self._network, manager, checks)
            timers = [
                self._loop.call_at(fault.at, begin_fault, manager, sim, fault)
                for fault in self.plan
            ]
            result = await self._system(sim, *self._args)
            await checks.all_held()
            for timer in timers:
                timer.cancel()
            manager.cancel("the simulation is over")
        return result

    def _too_late(self) -> None:
        tree = format_task_tree(tree_of(self._loop))
        self._loop._crash(
            TimeoutError(
                f"the simulation has not ended after {self.timeout:g} seconds of its own:\n{tree}"
            )
        )

    def _stalled(self) -> bool:
        """Nothing will ever happen again, unless somebody waits for a real thing."""
        if self._loop._idle.in_flight:
            return False
        self._detector.raise_error()
        return True

    def _run_jobs(self, jobs: Iterator[ThreadCall]) -> None:
        """Run what is for threads in the loop's own, in its next turn."""
        self._loop.call_soon(run_jobs, jobs)

    def note(self) -> str:
        """Return a note for its failure: how to have it again, and what came before."""
        happened = [] if self.sim is None else self.sim.happened
        lines = [
            f"giambio: simulated with seed {self.seed}, and failed at "
            f"{self._clock.now():.6f} s of the simulation"
        ]
        lines += [f"  {fault}" for fault in happened]
        name = getattr(self._system, "__name__", repr(self._system))
        again = f"simulate({', '.join([name, *map(repr, self._args)])}, seed={self.seed}"
        if happened:
            again += f", faults={happened!r}"
        if self.timeout != TIMEOUT:
            again += f", timeout={self.timeout!r}"
        lines.append(f"run it again with {again})")
        lines.append("the last events:")
        lines += [f"  {event}" for event in list(self._network.trace)[-TOLD:]]
        return "\n".join(lines)


def begin_fault(manager: TaskManager, sim: Simulation, fault: Draft | Fault) -> None:
    """Bring a fault about: a task only from now on, so that it changes nothing before."""
    manager.start_soon(bring_about, sim, fault, name=f"fault at {fault.at:.3f} s")


def run_jobs(jobs: Iterator[ThreadCall]) -> None:
    """Run jobs for threads, one after another."""
    for job in jobs:
        job.run()
        job.deliver()


@overload
def simulate(
    system: Callable[..., Awaitable[T]],
    /,
    *args: Any,
    seed: int,
    faults: Faults | Sequence[Fault] = (),
    timeout: float = TIMEOUT,
) -> T: ...
@overload
def simulate(
    system: Callable[..., Awaitable[T]],
    /,
    *args: Any,
    seeds: int | Iterable[int],
    faults: Faults | Sequence[Fault] = (),
    timeout: float = TIMEOUT,
) -> list[T]: ...
def simulate(
    system: Callable[..., Awaitable[Any]],
    /,
    *args: Any,
    seed: int | None = None,
    seeds: int | Iterable[int] | None = None,
    faults: Faults | Sequence[Fault] = (),
    timeout: float = TIMEOUT,
) -> Any:
    """Run a whole system in one process, by a seed: its hosts, their clocks, and the network.

    Parameters:
        system: an async function that gets a `Simulation`, and then `args`. It makes the hosts
            and may trouble them. When it returns, and all that must hold sometime has held,
            the hosts are cancelled.
        args: its other arguments.
        seed: the seed. The same one gives the same run.
        seeds: instead, how many runs there are, with the seeds 0, 1, 2 and so on; or the seeds.
        faults: how many faults there are, drawn from the seed; or which.
        timeout: after how many seconds of the simulation it fails if it has not ended: an hour
            by default.

    Returns:
        The result of `system`; with `seeds` a list of them.

    Raises:
        BaseException: of the first run that has failed, what it failed with: what `system`
            or a host raised, or an `AssertionError` of a check. If there were faults, it is run
            again with fewer and fewer of them as long as it fails so. A note says the seed,
            the time, the faults, and how to run it again.
        DeadlockError: every host waits, and nothing is under way.
        TimeoutError: it took longer than `timeout`; the message shows what each task waits for.
        TypeError, ValueError: `system` is no async function; or not one of `seed` and `seeds`
            was given, or it is no whole number.
        RuntimeError: a loop runs in this thread.

    Time does not pass by itself: it jumps to the next event. `time.time` and its like, `random`,
    `os.urandom` and `socket.socket` follow the simulation on hosts. A function for `to_thread` is
    called in the loop's own thread.

    Example:
        >>> import giambio
        >>> from giambio.testing import Faults, simulate
        >>> async def work(done):
        ...     await giambio.sleep(60)
        ...     done.append("work")
        >>> async def system(sim):
        ...     done = []
        ...     sim.host("worker", work, done)
        ...     sim.eventually(lambda: done, within=200)
        >>> simulate(system, seeds=3, faults=Faults(crashes=1))
        [None, None, None]
    """
    check_function("simulate()", system, "simulate(system)")
    check_no_loop_runs()
    if (seed is None) == (seeds is None):
        raise TypeError("simulate() needs seed=, a whole number, or seeds=, several")
    if seeds is not None:
        return [
            simulate(system, *args, seed=one, faults=faults, timeout=timeout)
            for one in seeds_of("simulate", seeds)
        ]
    check_seconds("simulate()", "timeout", timeout)
    if not is_int(seed):
        raise TypeError(f"simulate(seed=) is a whole number, not {seed!r}")
    run = Run(system, args, seed, plan_of(faults, seed), timeout)
    try:
        return run.result()
    except Exception as exc:
        failure = exc
    except BaseException as exc:
        exc.add_note(run.note())
        raise
    run, failure = shrunk(run, failure)
    failure.add_note(run.note())
    try:
        raise failure
    finally:
        del failure  # else its frames hold it


def shrunk(run: Run, failure: Exception) -> tuple[Run, Exception]:
    """Run a failed simulation again with fewer faults as long as it fails with the same kind."""
    kind = type(failure)
    plan: list[Fault] = [] if run.sim is None else list(run.sim.happened)
    size = len(plan)
    while size:
        begin = 0
        while begin < len(plan):
            fewer = plan[:begin] + plan[begin + size :]
            smaller = Run(run._system, run._args, run.seed, fewer, run.timeout)
            try:
                smaller.result()
            except kind as exc:
                run, failure, plan = smaller, exc, fewer
            except Exception:
                begin += size  # another failure is not the one that is looked for
            else:
                begin += size
        size //= 2
    return run, failure
