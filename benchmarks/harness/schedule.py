"""Who is measured when: every server once per round, then the next round.

A machine's speed drifts. Servers measured minutes apart are not comparable, but
those of one round are, so ratios are taken within a round. Each round starts
with another server, so that no one always follows the same neighbour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.errors import BenchmarkError
from harness.measure import Bench, Load, Sample, Timing, measure
from harness.peers import Peer
from harness.progress import Progress


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    peers: Sequence[Peer]
    loads: Sequence[Load]
    rounds: int
    timing: Timing

    @property
    def steps(self) -> int:
        return self.rounds * len(self.loads) * len(self.peers)

    @property
    def names(self) -> list[str]:
        return [peer.name for peer in self.peers]

    def turns(self) -> Iterator[tuple[int, Load, Peer]]:
        for number in range(self.rounds):
            first = number % len(self.peers)
            for load in self.loads:
                for peer in (*self.peers[first:], *self.peers[:first]):
                    yield number, load, peer


@dataclass
class Results:
    """Samples by load and server, each keyed by its round; and what went wrong."""

    samples: dict[tuple[Load, str], dict[int, Sample]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    failures: dict[tuple[Load, str], str] = field(default_factory=dict)

    def descriptions(self) -> dict[str, str]:
        """What each server said of itself: versions, build, driver."""
        return {
            name: sample.description
            for (_, name), samples in self.samples.items()
            for sample in samples.values()
        }


def run_interleaved(plan: Plan, bench: Bench, progress: Progress) -> Results:
    """Measure everything; a server that fails under a load is not tried again with it."""
    results = Results()
    for number, load, peer in plan.turns():
        key = load, peer.name
        label = f"round {number + 1}/{plan.rounds}, {load}, {peer.name}"
        if key in results.failures:
            progress.done(label, "skipped: it failed before")
            continue
        progress.begin(label)
        try:
            sample = measure(peer.command(bench.c_server), load, plan.timing, bench)
        except BenchmarkError as error:
            results.failures[key] = str(error)
            progress.done(label, f"FAILED: {error}")
        else:
            results.samples[key][number] = sample
            progress.done(label, f"{sample.throughput:,.0f} messages/s")
    progress.finish()
    return results
