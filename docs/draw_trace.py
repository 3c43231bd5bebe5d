"""Draws a trace into docs/trace.svg: `python docs/draw_trace.py`.

Perfetto's own picture of it cannot be made here, because its interface is a web site. The slices,
their nesting and the arrows are those of a real trace, recorded by `giambio.Tracer`; Perfetto shows
the same in other colours, and more when one clicks.
"""

from __future__ import annotations

import json
import tempfile
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import giambio

PICTURE = Path(__file__).resolve().parent / "trace.svg"

WIDTH, LABELS = 1000, 120
ROW, GAP = 20, 10
#: How wide a character is, about.
CHARACTER = 6.2

COLOURS = {"turn": "#b9c7de", "running": "#4f9d69", "waits": "#e3e3e3", "scope": "#f2d7a1"}


class Slice(NamedTuple):
    """Something that lasted, `depth` others around it."""

    track: int
    depth: int
    name: str
    begin: float
    end: float


async def worker(queue: giambio.Queue[int]) -> None:
    """Take an item, and work on it for a while."""
    while True:
        await queue.get()
        with giambio.move_on_after(1):
            await giambio.sleep(0.0002)
        sum(range(5000))


async def recorded(file: Path) -> None:
    """Record what three workers do."""
    queue: giambio.Queue[int] = giambio.Queue(2)
    async with giambio.TaskManager() as manager:
        for number in range(3):
            manager.start_soon(worker, queue, name=f"worker {number}")
        for _ in range(2):  # what is loaded at the first time would take most of the picture
            with giambio.Tracer(file):
                for item in range(7):
                    await queue.put(item)
        manager.cancel()


def slices(events: list[dict[str, Any]], end: float) -> list[Slice]:
    """Return what lasted, in all tracks; at the end of the trace all of it is over."""
    found = []
    opened: dict[int, list[tuple[str, float]]] = {}
    for event in events:
        stack = opened.setdefault(event["tid"], [])
        if event["ph"] == "X":
            last = event["ts"] + event["dur"]
            found.append(Slice(event["tid"], 0, event["name"], event["ts"], last))
        elif event["ph"] == "B":
            stack.append((event["name"], event["ts"]))
        elif event["ph"] == "E" and stack:
            name, begin = stack.pop()
            found.append(Slice(event["tid"], len(stack), name, begin, event["ts"]))
    for track, stack in opened.items():
        found += [Slice(track, depth, *one, end) for depth, one in enumerate(stack)]
    return sorted(found)


def drawn(events: list[dict[str, Any]]) -> str:
    """Return the picture."""
    times = [event["ts"] for event in events if event["ph"] != "M"]
    first, last = min(times), max(times)
    scale = (WIDTH - LABELS - GAP) / (last - first)
    found = slices(events, last)
    names = {one["tid"]: one["args"]["name"] for one in events if one.get("name") == "thread_name"}
    tops, bottom = {}, GAP
    for track in sorted(names):
        tops[track] = bottom
        bottom += ROW * (1 + max(one.depth for one in found if one.track == track)) + GAP

    def across(time: float) -> float:
        return round(LABELS + (time - first) * scale, 1)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom}" '
        'font-family="sans-serif" font-size="11">',
        '<marker id="head" orient="auto" markerWidth="6" markerHeight="6" refX="5" refY="3">'
        '<path d="M0 0 6 3 0 6z" fill="#c0392b"/></marker>',
        f'<rect width="{WIDTH}" height="{bottom}" fill="white"/>',
    ]
    for track, name in names.items():
        lines.append(f'<text x="{GAP}" y="{tops[track] + 14}">{escape(name)}</text>')
    for one in found:
        left, top = across(one.begin), tops[one.track] + one.depth * ROW
        wide = round(max(1.0, across(one.end) - left), 1)
        colour = next(code for word, code in COLOURS.items() if one.name.startswith(word))
        lines.append(
            f'<rect x="{left}" y="{top}" width="{wide}" height="{ROW - 2}" fill="{colour}">'
            f"<title>{escape(one.name)}: {(one.end - one.begin) / 1000:.3f} ms</title></rect>"
        )
        if wide > len(one.name) * CHARACTER:
            lines.append(f'<text x="{left + 3}" y="{top + 13}">{escape(one.name)}</text>')
    begun = {event["id"]: event for event in events if event["ph"] == "s"}
    for event in events:
        if event["ph"] == "f":
            waker = begun[event["id"]]
            lines.append(
                f'<line x1="{across(waker["ts"])}" y1="{tops[waker["tid"]] + ROW // 2}" '
                f'x2="{across(event["ts"])}" y2="{tops[event["tid"]] + ROW // 2}" '
                'stroke="#c0392b" stroke-width="1.5" marker-end="url(#head)"/>'
            )
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    """Record a trace, and draw it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        giambio.run(recorded, file)
        events = json.loads(file.read_text(encoding="utf-8"))
    PICTURE.write_text(drawn(events), encoding="utf-8")


if __name__ == "__main__":
    main()
