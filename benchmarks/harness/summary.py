"""Turns samples into rows: medians, spreads, and ratios taken within a round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from harness.measure import Load, Sample
from harness.peers import BASELINES
from harness.schedule import Results

GENERATOR_BOUND = 0.90
"""Busier than this, the generator may be what limits the throughput."""

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
class Row:
    """One server under one load."""

    server: str
    description: str
    throughput: Spread
    cpu_per_message: Spread
    user_per_message: float
    server_busy: float
    generator_busy: float
    peak_memory: float
    disturbed_rounds: int
    throughput_ratios: dict[str, Spread]
    """To each baseline; absent where either side is generator-bound."""
    efficiency_ratios: dict[str, Spread]
    """Echoes per second of the server's CPU time, to each baseline's."""

    @property
    def generator_bound(self) -> bool:
        return self.generator_busy > GENERATOR_BOUND


def rows(results: Results, load: Load, names: Iterable[str]) -> list[Row]:
    """The rows of the table of one load, in the order of `names`."""
    measured = {n: results.samples[load, n] for n in names if results.samples.get((load, n))}
    used = {n: _undisturbed(samples) for n, samples in measured.items()}
    baselines = {n: used[n] for n in BASELINES if n in used}
    return [_row(n, used[n], baselines, _count_disturbed(measured[n])) for n in used]


def _undisturbed(samples: Rounds) -> Rounds:
    """Without the disturbed rounds, if that leaves most of them.

    "Most" also makes sure that any two servers keep a round in common.
    """
    quiet = {r: s for r, s in samples.items() if s.disturbed <= DISTURBED}
    return quiet if len(quiet) * 2 > len(samples) else samples


def _count_disturbed(samples: Rounds) -> int:
    return sum(s.disturbed > DISTURBED for s in samples.values())


def _row(name: str, samples: Rounds, baselines: Mapping[str, Rounds], disturbed: int) -> Row:
    every = list(samples.values())
    sound = {n: b for n, b in baselines.items() if not (_bound(samples) or _bound(b))}
    return Row(
        server=name,
        description=every[0].description,
        throughput=Spread.of(s.throughput for s in every),
        cpu_per_message=Spread.of(s.cpu_per_message for s in every),
        user_per_message=median(s.user_per_message for s in every),
        server_busy=median(s.server_busy for s in every),
        generator_busy=_generator_busy(samples),
        peak_memory=median(s.peak_memory for s in every),
        disturbed_rounds=disturbed,
        throughput_ratios=_ratios(samples, sound, lambda s: s.throughput),
        efficiency_ratios=_ratios(samples, baselines, lambda s: 1 / s.cpu_per_message),
    )


def _generator_busy(samples: Rounds) -> float:
    return median(s.generator_busy for s in samples.values())


def _bound(samples: Rounds) -> bool:
    return _generator_busy(samples) > GENERATOR_BOUND


def _ratios(
    samples: Rounds, baselines: Mapping[str, Rounds], quantity: Callable[[Sample], float]
) -> dict[str, Spread]:
    ratios = {}
    for name, base in baselines.items():
        shared = samples.keys() & base.keys()
        if shared:
            ratios[name] = Spread.of(quantity(samples[r]) / quantity(base[r]) for r in shared)
    return ratios
