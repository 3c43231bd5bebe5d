"""Reading traces, and whether they keep to the format of Chrome's trace viewer."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

Event = dict[str, Any]

#: What an event of each phase must have besides its phase, process and track.
NEEDED = {
    "B": {"ts", "name"},
    "E": {"ts"},
    "X": {"ts", "name", "dur"},
    "C": {"ts", "name", "args"},
    "M": {"name"},
    "s": {"ts", "name", "cat", "id"},
    "f": {"ts", "name", "cat", "id", "bp"},
}


def read(path: Path, complete: bool = True) -> list[Event]:
    """The events of a file; one that was cut off has no last bracket, as the format allows."""
    text = path.read_text()
    if not complete:
        text = text[: text.rindex("\n")].rstrip(",") + "]"
    events: list[Event] = json.loads(text)
    return events


def checked(events: list[Event], complete: bool = True) -> list[Event]:
    """The events of a trace, after checking that slices nest and arrows have both their ends."""
    slices: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    open_slices: dict[tuple[int, int], list[float]] = defaultdict(list)
    ends: dict[int, dict[str, Event]] = defaultdict(dict)
    for event in events:
        phase = event["ph"]
        assert {"pid", "tid", *NEEDED[phase]} <= event.keys(), event
        track = (event["pid"], event["tid"])
        if phase == "B":
            open_slices[track].append(event["ts"])
        elif phase == "E":
            began = open_slices[track].pop()
            assert began <= event["ts"], event
            slices[track].append((began, event["ts"]))
        elif phase == "X":
            assert event["dur"] >= 0, event
            slices[track].append((event["ts"], event["ts"] + event["dur"]))
        elif phase in ("s", "f"):
            assert phase not in ends[event["id"]], event
            ends[event["id"]][phase] = event
    for track, begun in open_slices.items():
        assert not (complete and begun), track
        slices[track] += [(began, float("inf")) for began in begun]
    for those in slices.values():
        check_nesting(those)
    for both in ends.values():
        assert both.keys() == {"s", "f"}
        assert both["s"]["ts"] <= both["f"]["ts"]
        for end in both.values():
            around = slices[end["pid"], end["tid"]]
            assert any(a - 0.01 <= end["ts"] <= b + 0.01 for a, b in around), end
    return events


def check_nesting(slices: list[tuple[float, float]]) -> None:
    """Fail if two slices of a track overlap, and none is inside the other."""
    around: list[float] = []
    for began, ended in sorted(slices, key=lambda pair: (pair[0], -pair[1])):
        while around and around[-1] <= began + 0.01:
            around.pop()
        assert not around or ended <= around[-1] + 0.01, (began, ended, around)
        around.append(ended)


def names_of(events: list[Event], phase: str) -> set[str]:
    """The names of the events of a phase."""
    return {event["name"] for event in events if event["ph"] == phase}


def tracks(events: list[Event]) -> dict[str, int]:
    """The tracks' numbers, by their names."""
    named = [one for one in events if one["name" if "name" in one else "ph"] == "thread_name"]
    return {one["args"]["name"]: one["tid"] for one in named}
