"""Turns samples into findings: medians, spreads, ratios taken within a round, and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import median
from typing import Any

from harness.peers import GIAMBIO
from harness.rows import Goal, Row
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
    pause: float | None
    peak_memory: float | None
    busy: float | None
    load_busy: float | None
    p99: float | None
    rounds: int
    disturbed_rounds: int

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Finding:
        """One that was written as JSON, perhaps before it had all of these fields."""
        known: dict[str, Any] = {}
        for field in fields(cls):
            value = document.get(field.name)
            known[field.name] = Spread(**value) if isinstance(value, dict) else value
        return cls(**known)

    @property
    def ratio(self) -> Spread | None:
        """How many times better giambio is, by CPU time where the rest is void or says little."""
        disturbed = 2 * self.disturbed_rounds >= self.rounds
        if self.better is None or (disturbed and self.better_by_cpu):
            return self.better_by_cpu
        return self.better

    @property
    def generator_bound(self) -> bool:
        return self.load_busy is not None and self.load_busy > GENERATOR_BOUND


@dataclass(frozen=True)
class Comparison:
    """How many times better one peer is than another, taken within each round."""

    by_value: Spread | None
    """By what the row is about; None if either may have been limited by the generator."""
    by_cpu: Spread | None
    """By operations per second of CPU time; None if that was not measured."""
    disturbed: bool
    """Another program had a part of the core, in most rounds of either."""


NOTHING = Comparison(None, None, disturbed=False)


@dataclass(frozen=True)
class Verdict:
    """A goal, and how it was met."""

    row: Row
    goal: Goal
    comparison: Comparison

    @property
    def by_cpu(self) -> bool:
        """The goal is one of CPU time, or what the row is about is void or says little."""
        found = self.comparison
        void = found.by_value is None or found.disturbed
        return found.by_cpu is not None and (void or self.goal.by_cpu)

    @property
    def found(self) -> Spread | None:
        """None if one of the two could not be measured."""
        return self.comparison.by_cpu if self.by_cpu else self.comparison.by_value

    @property
    def reached(self) -> bool:
        return self.found is not None and self.found.median >= self.goal.times


def findings(results: Results, row: Row, peers: Sequence[str]) -> list[Finding]:
    """What is known of a row, in the order of `peers`."""
    measured = {n: s for n in peers if (s := results.samples.get((row.name, n)))}
    return [_finding(row, n, samples, measured.get(GIAMBIO)) for n, samples in measured.items()]


def verdicts(results: Results, row: Row, peers: Sequence[str]) -> list[Verdict]:
    """How the goals of a row were met, as far as one of `peers` was asked to meet them."""
    met = []
    for goal in row.goals:
        if {goal.ours, goal.theirs} <= set(peers):
            ours, theirs = (results.samples.get((row.name, n)) for n in (goal.ours, goal.theirs))
            found = compare(row, ours, theirs) if ours and theirs else NOTHING
            met.append(Verdict(row, goal, found))
    return met


def compare(row: Row, ours: Rounds, theirs: Rounds) -> Comparison:
    """How many times better `ours` are."""
    disturbed = not (_mostly_quiet(ours) and _mostly_quiet(theirs))
    ours, theirs = _undisturbed(ours), _undisturbed(theirs)

    def cost(sample: Sample) -> float:
        return sample.value if row.less_is_better else 1 / sample.value

    def cpu(sample: Sample) -> float:
        return sample.cpu or 0.0

    bound = _bound(ours) or _bound(theirs)
    timed = all(map(cpu, (*ours.values(), *theirs.values())))
    return Comparison(
        by_value=None if bound else _ratios(theirs, ours, cost),
        by_cpu=_ratios(theirs, ours, cpu) if timed else None,
        disturbed=disturbed,
    )


def _undisturbed(samples: Rounds) -> Rounds:
    """Without the disturbed rounds, if that leaves most of them.

    "Most" also makes sure that any two peers keep a round in common.
    """
    return _quiet(samples) if _mostly_quiet(samples) else samples


def _mostly_quiet(samples: Rounds) -> bool:
    return len(_quiet(samples)) * 2 > len(samples)


def _quiet(samples: Rounds) -> Rounds:
    return {r: s for r, s in samples.items() if s.disturbed <= DISTURBED}


def _finding(row: Row, name: str, every: Rounds, ours: Rounds | None) -> Finding:
    known = list(_undisturbed(every).values())
    found = compare(row, ours, every) if ours and name != GIAMBIO else NOTHING
    cpu = [s.cpu for s in known if s.cpu is not None]
    return Finding(
        peer=name,
        description=known[0].description,
        value=Spread.of(s.value * row.scale for s in known),
        better=found.by_value,
        better_by_cpu=found.by_cpu,
        cpu=Spread.of(cpu) if cpu else None,
        user=_median(s.user for s in known),
        pause=_median(s.pause for s in known),
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
