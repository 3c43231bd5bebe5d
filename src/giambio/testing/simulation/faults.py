"""Faults: which, when and where, drawn from the seed; and how they are brought about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from giambio.arguments import check_int, check_seconds
from giambio.kernel.checkpoints import sleep

if TYPE_CHECKING:
    from giambio.testing.simulation.simulation import Simulation

__all__ = ["Fault", "Faults", "bring_about", "plan_of"]

KINDS = ("crash", "partition", "reset")
#: How long a fault lasts: at least and at most, in seconds.
SHORTEST, LONGEST = 0.1, 10.0


class Fault(NamedTuple):
    """One fault of a plan.

    Parameters:
        at: the time, in seconds of the simulation.
        kind: ``"crash"``, ``"partition"`` or ``"reset"``.
        hosts: the names of the hosts: the one that crashes, the one that is cut off from all
            others, or the two whose connections are reset.
        lasts: after how many seconds it is over.

    Example:
        >>> from giambio.testing import Fault
        >>> print(Fault(3.5, "crash", ("db",), 2.0))
        at 3.500 s crash of db for 2.000 s
    """

    at: float
    kind: str
    hosts: tuple[str, ...]
    lasts: float

    def __str__(self) -> str:
        text = f"at {self.at:.3f} s {self.kind} of {' and '.join(self.hosts)}"
        return text if self.kind == "reset" else f"{text} for {self.lasts:.3f} s"


@dataclass(frozen=True, slots=True)
class Faults:
    """How many faults of which kind a simulation has; when and where, the seed decides.

    Parameters:
        crashes: how many times a host crashes, and is restarted later.
        partitions: how many times a host is cut off from all others.
        resets: how many times all connections between two hosts are reset.
        within: the faults happen in the first so many seconds of the simulation.
        hosts: the names of the hosts that they happen to; by default all that there are then.

    Raises:
        TypeError, ValueError: a number is none, or is negative.

    Example:
        >>> from giambio.testing import Faults
        >>> Faults(crashes=1, partitions=2)
        Faults(crashes=1, partitions=2, resets=0, within=30.0, hosts=None)
    """

    crashes: int = 0
    partitions: int = 0
    resets: int = 0
    within: float = 30.0
    hosts: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("crashes", "partitions", "resets"):
            check_int("Faults()", name, getattr(self, name), least=0)
        check_seconds("Faults()", "within", self.within)
        if isinstance(self.hosts, str):
            raise TypeError(f"Faults(hosts=) is a tuple of names, not one name, {self.hosts!r}")


class Draft(NamedTuple):
    """A fault before it is known which hosts there will be: they are drawn, from 0 to 1."""

    at: float
    kind: str
    draws: tuple[float, float]
    lasts: float
    hosts: tuple[str, ...] | None


def plan_of(faults: object, seed: int) -> Sequence[Draft | Fault]:
    """Return the plan of a simulation's faults: drawn from its seed, or as it was given.

    Raises:
        TypeError: they are no faults.
        ValueError: there is no such kind of fault.
    """
    if isinstance(faults, Faults):
        return drawn(faults, seed)
    if isinstance(faults, Fault) or not isinstance(faults, Iterable):
        raise TypeError(f"simulate(faults=) needs Faults(...), or a list of Fault, not {faults!r}")
    plan = list(faults)
    for fault in plan:
        if not isinstance(fault, Fault):
            raise TypeError(f"simulate(faults=) needs a list of Fault, and one is {fault!r}")
        if fault.kind not in KINDS:
            raise ValueError(f"a fault is one of {', '.join(KINDS)}, not {fault.kind!r}")
    return plan


def drawn(faults: Faults, seed: int) -> list[Draft]:
    """Draw a plan."""
    random = Random(f"faults {seed}")
    kinds = ["crash"] * faults.crashes + ["partition"] * faults.partitions
    kinds += ["reset"] * faults.resets
    plan = [
        Draft(
            round(random.uniform(0.0, faults.within), 3),
            kind,
            (random.random(), random.random()),
            round(random.uniform(SHORTEST, LONGEST), 3),
            faults.hosts,
        )
        for kind in kinds
    ]
    return sorted(plan)


async def bring_about(sim: Simulation, planned: Draft | Fault) -> None:
    """Bring a fault about now, and end it when it has lasted long enough."""
    fault = planned if isinstance(planned, Fault) else settled(planned, sorted(sim.hosts))
    if fault is None:
        return
    missing = [name for name in fault.hosts if name not in sim.hosts]
    if missing:
        raise ValueError(f"there is no host {missing[0]!r} for the fault {str(fault)!r}")
    sim.happened.append(fault)
    if fault.kind == "crash":
        host = sim.hosts[fault.hosts[0]]
        await host.crash()
        await sleep(fault.lasts)
        if not host.is_up:
            host.start()
    elif fault.kind == "partition":
        cut_off = fault.hosts[0]
        others = [name for name in sim.hosts if name != cut_off]
        cut = sim._network.partition([cut_off], others)
        await sleep(fault.lasts)
        sim._network.end_partition(cut)
    else:
        sim.reset(*fault.hosts)


def settled(draft: Draft, names: list[str]) -> Fault | None:
    """Return the fault that a draft means for the hosts of now; None if they are too few."""
    names = [name for name in names if draft.hosts is None or name in draft.hosts]
    if len(names) < (2 if draft.kind == "reset" else 1):
        return None
    first = names.pop(int(draft.draws[0] * len(names)))
    hosts: tuple[str, ...] = (first,)
    if draft.kind == "reset":
        hosts = (first, names[int(draft.draws[1] * len(names))])
    return Fault(draft.at, draft.kind, hosts, draft.lasts)
