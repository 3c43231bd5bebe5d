"""Turns samples into findings: medians, spreads, ratios taken within a round, and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.peers import GIAMBIO
from harness.rows import Row
from harness.samples import Sample
from harness.schedule import Results

GENERATOR_BOUND = 0.90
"""Busier than this, the load generator may be what limits the throughput."""

DISTURBED = 0.02
"""Waiting for its core more than this, a process was not alone on it."""

Rounds = Mapping[int, Sample]


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        known = list(values)
        return cls(median(known), min(known), max(known))


@dataclass(frozen=True)
class Finding:
    """One peer in one row; what was not measured is None."""

    peer: str
    description: str
    value: Spread
    """In the unit of the row."""
    better: Spread | None
    """How many times better giambio is; None for itself, or if either is generator-bound."""
    better_by_cpu: Spread | None
    """The same, by operations per second of CPU time."""
    cpu: Spread | None
    user: float | None
    peak_memory: float | None
    busy: float | None
    load_busy: float | None
    p99: float | None
    rounds: int
    disturbed_rounds: int

    @property
    def generator_bound(self) -> bool:
        return self.load_busy is not None and self.load_busy > GENERATOR_BOUND


@dataclass(frozen=True)
class Verdict:
    """A goal, and how it was met."""

    row: Row
    peer: str
    goal: float
    found: Spread | None
    """None if one of the two could not be measured."""
    by_cpu: bool
    """Throughput was void, so CPU time decides."""

    @property
    def reached(self) -> bool:
        return self.found is not None and self.found.median >= self.goal


def findings(results: Results, row: Row, peers: Sequence[str]) -> list[Finding]:
    """What is known of a row, in the order of `peers`."""
    measured = {n: s for n in peers if (s := results.samples.get((row.name, n)))}
    used = {n: _undisturbed(samples) for n, samples in measured.items()}
    return [_finding(row, n, used[n], used.get(GIAMBIO), measured[n]) for n in used]


def verdicts(row: Row, found: Sequence[Finding]) -> list[Verdict]:
    by_name = {finding.peer: finding for finding in found}
    return [
        _verdict(row, peer, goal, by_name.get(peer))
        for peer, goal in row.goals.items()
        if GIAMBIO in by_name or peer in by_name
    ]


def _verdict(row: Row, peer: str, goal: float, finding: Finding | None) -> Verdict:
    if finding is None:
        return Verdict(row, peer, goal, None, by_cpu=False)
    by_cpu = finding.better is None and finding.better_by_cpu is not None
    found = finding.better_by_cpu if by_cpu else finding.better
    return Verdict(row, peer, goal, found, by_cpu)


def _undisturbed(samples: Rounds) -> Rounds:
    """Without the disturbed rounds, if that leaves most of them.

    "Most" also makes sure that any two peers keep a round in common.
    """
    quiet = {r: s for r, s in samples.items() if s.disturbed <= DISTURBED}
    return quiet if len(quiet) * 2 > len(samples) else samples


def _finding(row: Row, name: str, samples: Rounds, ours: Rounds | None, every: Rounds) -> Finding:
    known = list(samples.values())
    other = ours if name != GIAMBIO else None
    bound = _bound(samples) or (other is not None and _bound(other))

    def cost(sample: Sample) -> float:
        return sample.value if row.less_is_better else 1 / sample.value

    cpu = [s.cpu for s in known if s.cpu is not None]
    return Finding(
        peer=name,
        description=known[0].description,
        value=Spread.of(s.value * row.scale for s in known),
        better=None if other is None or bound else _ratios(samples, other, cost),
        better_by_cpu=_ratios(samples, other, lambda s: s.cpu or 0.0) if other and cpu else None,
        cpu=Spread.of(cpu) if cpu else None,
        user=_median(s.user for s in known),
        peak_memory=_median(s.peak_memory for s in known),
        busy=_median(s.busy for s in known),
        load_busy=_median(s.load_busy for s in known),
        p99=_median(s.p99 for s in known),
        rounds=len(every),
        disturbed_rounds=sum(s.disturbed > DISTURBED for s in every.values()),
    )


def _bound(samples: Rounds) -> bool:
    busy = _median(s.load_busy for s in samples.values())
    return busy is not None and busy > GENERATOR_BOUND


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _ratios(theirs: Rounds, ours: Rounds, cost: Callable[[Sample], float]) -> Spread | None:
    shared = theirs.keys() & ours.keys()
    return Spread.of(cost(theirs[r]) / cost(ours[r]) for r in shared) if shared else None
