"""Who is measured when: every row with every peer once per round, then the next round.

A machine's speed drifts. Peers measured minutes apart are not comparable, but
those of one row and one round are, so ratios are taken within a round. Each round
begins with another peer, so that no one always follows the same neighbour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.bench import Bench
from harness.errors import BenchmarkError
from harness.progress import Progress
from harness.rows import Row
from harness.samples import Sample, Timing


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    rows: Sequence[tuple[Row, Sequence[str]]]
    """Each row with its peers that were chosen and can run."""
    rounds: int
    timing: Timing

    @property
    def steps(self) -> int:
        return sum(min(self.rounds, row.most_rounds) * len(names) for row, names in self.rows)

    def turns(self) -> Iterator[tuple[int, Row, str]]:
        for number in range(self.rounds):
            for row, names in self.rows:
                if number >= row.most_rounds:
                    continue
                first = number % len(names)
                for peer in (*names[first:], *names[:first]):
                    yield number, row, peer


Key = tuple[str, str]
"""The names of a row and of a peer."""


@dataclass
class Results:
    """Samples by row and peer, each keyed by its round; and what went wrong."""

    samples: dict[Key, dict[int, Sample]] = field(default_factory=lambda: defaultdict(dict))
    failures: dict[Key, str] = field(default_factory=dict)

    def descriptions(self) -> list[str]:
        """What the programs said of themselves: versions, build, driver."""
        found = (s.description for samples in self.samples.values() for s in samples.values())
        return [description for description in dict.fromkeys(found) if description]


def run_interleaved(plan: Plan, bench: Bench, progress: Progress) -> Results:
    """Measure everything; a peer that fails in a row is not tried again in it."""
    results = Results()
    try:
        for number, row, peer in plan.turns():
            label = f"round {number + 1}/{plan.rounds}, {row.name}, {peer}"
            key = row.name, peer
            if key in results.failures:
                progress.done(label, "skipped: it failed before")
                continue
            progress.begin(label)
            try:
                sample = row.way.measure(peer, plan.timing, bench)
            except BenchmarkError as error:
                results.failures[key] = str(error)
                progress.done(label, f"FAILED: {error}")
            else:
                results.samples[key][number] = sample
                progress.done(label, f"{sample.value * row.scale:,.1f} {row.unit}")
    finally:
        progress.finish()
    return results
