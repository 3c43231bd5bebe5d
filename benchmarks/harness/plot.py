"""Draws what was found, as an SVG that is readable on light and on dark paper.

Written by hand, because bars and lines are little work, and a plotting library is
much to install. Bars show each row's figures; lines show how echo servers behave
as connections grow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from xml.sax.saxutils import escape

from harness.peers import GIAMBIO, GIAMBIO_PURE
from harness.report import figure
from harness.rows import Row, connections_of
from harness.summary import Finding

WIDTH = 900
GAP = 40
PANEL = (WIDTH - 3 * GAP) / 2
"""How wide a panel is; there are two beside each other."""
NAMES = 108
FIGURES = 76
BAR = 11
LINE = 17
HEADING = 40
BELOW = 18
CHART = 240

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #33383f; }
.small { font-size: 11px; fill: #6a727c; }
.title { font-weight: 600; }
.top { font-size: 18px; font-weight: 600; }
.ours { fill: #e8590c; } .pure { fill: #f4a77a; } .theirs { fill: #8d97a5; }
.spread { stroke: #4a525c; stroke-width: 1; }
.axis { stroke: #8d97a5; stroke-width: 1; stroke-opacity: 0.4; }
.line { fill: none; stroke-width: 1.8; }
@media (prefers-color-scheme: dark) {
  text { fill: #d5dae0; } .small { fill: #98a1ac; } .spread { stroke: #d5dae0; }
}
"""
OURS = "#e8590c"
COLOURS = ("#868e96", "#1c7ed6", "#22a6b3", "#9c36b5", "#2b8a3e", "#c2952b")
"""Of the others' lines."""
BARS = {GIAMBIO: "ours", GIAMBIO_PURE: "pure"}

Found = Sequence[tuple[Row, Sequence[Finding]]]


def draw(found: Found, subtitle: str) -> str:
    """The picture of a run."""
    lines, bottom = _panels([(row, peers) for row, peers in found if peers], 70)
    growing = [(n, peers) for row, peers in found if (n := connections_of(row)) and peers]
    if len(growing) > 1:
        lines += _charts(growing, bottom)
        bottom += HEADING + CHART + 2 * BELOW
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom:.0f}" '
        f'width="{WIDTH}" height="{bottom:.0f}" role="img">',
        f"<style>{STYLE}</style>",
        _text(GAP, 30, "giambio and its peers", "top"),
        _text(GAP, 50, subtitle, "small"),
    ]
    return "\n".join([*head, *lines, "</svg>"]) + "\n"


# --- bars ---


def _panels(found: Found, top: float) -> tuple[list[str], float]:
    """All panels, each in the column that is shorter so far; and where they end."""
    bottoms = [top, top]
    lines: list[str] = []
    for row, peers in found:
        column = bottoms.index(min(bottoms))
        lines += _panel(row, peers, GAP + column * (PANEL + GAP), bottoms[column])
        bottoms[column] += HEADING + LINE * len(peers) + BELOW
    return lines, max(bottoms)


def _panel(row: Row, peers: Sequence[Finding], left: float, top: float) -> Iterator[str]:
    yield _text(left, top + 12, row.title, "title")
    better = "less is better" if row.less_is_better else "more is better"
    yield _text(left, top + 28, f"{row.unit}, {better}", "small")
    room = PANEL - NAMES - FIGURES
    longest = max(finding.value.high for finding in peers)
    for place, finding in enumerate(peers):
        y = top + HEADING + LINE * place
        start, middle = left + NAMES, y + BAR / 2
        kind = BARS.get(finding.peer, "theirs")
        low, size, high = (
            room * value / longest
            for value in (finding.value.low, finding.value.median, finding.value.high)
        )
        yield _text(start - 6, y + BAR - 1, finding.peer, anchor="end")
        yield (
            f'<rect class="{kind}" x="{start:.1f}" y="{y:.1f}" width="{max(size, 1):.1f}" '
            f'height="{BAR}" rx="1.5"/>'
        )
        if high - low > 1:
            yield _line("spread", (start + low, middle), (start + high, middle))
        void = "*" if finding.generator_bound else ""
        shown = figure(finding.value.median) + void
        yield _text(start + max(size, high) + 5, y + BAR - 1, shown, "small")


# --- lines ---


def _charts(growing: Sequence[tuple[int, Sequence[Finding]]], top: float) -> Iterator[str]:
    """Throughput and latency of those that were measured at every number of connections."""
    counts = [connections for connections, _ in growing]
    named = [{finding.peer: finding for finding in peers} for _, peers in growing]
    peers = [peer for peer in named[0] if all(peer in others for others in named)]
    series = {peer: [others[peer] for others in named] for peer in peers}
    charts: tuple[tuple[str, Callable[[Finding], float]], ...] = (
        ("TCP echo of 1 KiB: messages/s, as connections grow", lambda f: f.value.median),
        ("TCP echo of 1 KiB: p99 latency in ms", lambda f: (f.p99 or 0.0) * 1e3),
    )
    for place, (title, value) in enumerate(charts):
        left = GAP + place * (PANEL + GAP)
        curves = {peer: [value(f) for f in found] for peer, found in series.items()}
        yield from _chart(title, counts, curves, left, top)


def _chart(
    title: str,
    counts: Sequence[int],
    curves: dict[str, list[float]],
    left: float,
    top: float,
) -> Iterator[str]:
    """One chart; both axes are logarithmic."""
    yield _text(left, top + 12, title, "title")
    values = [value for curve in curves.values() for value in curve if value > 0]
    x = _scale(counts, left + 44, left + PANEL - NAMES)
    y = _scale(values, top + HEADING + CHART - 10, top + HEADING)
    for value in _ticks(min(values), max(values)):
        yield _line("axis", (left + 40, y(value)), (left + PANEL - NAMES, y(value)))
        yield _text(left + 36, y(value) + 4, figure(value), "small", "end")
    for count in counts:
        yield _text(x(count), top + HEADING + CHART + 8, f"{count}", "small", "middle")
    labels = _apart([y(curve[-1]) for curve in curves.values()])
    colours = iter(COLOURS)
    for (peer, curve), label in zip(curves.items(), labels, strict=True):
        colour = OURS if peer == GIAMBIO else next(colours, "currentColor")
        points = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in zip(counts, curve, strict=True))
        yield f'<polyline class="line" stroke="{colour}" points="{points}"/>'
        for point in points.split():
            at = point.split(",")
            yield f'<circle cx="{at[0]}" cy="{at[1]}" r="2.5" fill="{colour}"/>'
        yield (
            f'<text x="{left + PANEL - NAMES + 8:.1f}" y="{label + 4:.1f}" '
            f'style="fill: {colour}">{escape(peer)}</text>'
        )


def _scale(values: Sequence[float], first: float, last: float) -> Callable[[float], float]:
    """Maps values to places, logarithmically: the lowest to `first`, the highest to `last`."""
    low, high = math.log(min(values)), math.log(max(values))
    wide = (high - low) or 1.0

    def place(value: float) -> float:
        return first + (last - first) * (math.log(value) - low) / wide

    return place


def _ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    return [value for value in found if low <= value <= high]


def _apart(wanted: Sequence[float], distance: float = 14.0) -> list[float]:
    """The places nearest to those wanted, from above, at which labels do not overlap."""
    given = list(wanted)
    last = -math.inf
    for index in sorted(range(len(given)), key=lambda index: given[index]):
        given[index] = last = max(given[index], last + distance)
    return given


# --- SVG ---


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    marks = f' class="{kind}"' if kind else ""
    marks += f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{marks}>{escape(text)}</text>'


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
