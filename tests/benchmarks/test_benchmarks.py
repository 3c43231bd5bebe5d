"""The benchmark suite: that it runs, that it reports what fails, and that it counts right.

How fast anything is, is not tested here: that is what the suite itself is for.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SECONDS = 50

pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="the benchmarks are not here")
needs_what_it_needs = pytest.mark.skipif(
    sys.platform != "linux"
    or len(os.sched_getaffinity(0)) < 2
    or shutil.which("gcc") is None
    or shutil.which("openssl") is None,
    reason="the suite needs Linux, two cores, gcc and openssl",
)


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of the suite, which is no package that could be installed."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import check_instructions
    import harness.callgrind
    import harness.counters
    import harness.inside
    import harness.peers
    import harness.published
    import harness.schedule
    import harness.summary
    import profile_row
    from harness import errors, report, rows, samples

    return SimpleNamespace(
        callgrind=harness.callgrind,
        counters=harness.counters,
        errors=errors,
        gate=check_instructions,
        inside=harness.inside,
        peers=harness.peers,
        profile=profile_row,
        published=harness.published,
        report=report,
        rows=rows,
        samples=samples,
        schedule=harness.schedule,
        summary=harness.summary,
    )


# --- the commands ---


@pytest.mark.parametrize("name", ["run.py", "profile_row.py", "check_instructions.py"])
def test_the_commands_explain_themselves(name: str) -> None:
    done = script(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
    assert "None" not in done.stdout  # a default that nobody has set


def test_every_row_is_listed_with_its_peers_and_goals() -> None:
    done = script("run.py", "--list")
    assert done.returncode == 0, done.stderr
    assert "echo-1000: TCP echo of 1 KiB, 1000 connections (messages/s)" in done.stdout
    assert "giambio 0.9 × c" in done.stdout
    assert "giambio-pure 1 × trio" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "fibonacci"], "there is no row 'fibonacci'; the rows are echo-1, "),
        (["--peers", "node"], "there is no peer 'node'; the peers are aiofiles, "),
        (["--rows", "lock", "--peers", "c"], "none of the chosen peers can run in any of "),
    ],
)
def test_a_wrong_choice_is_explained(arguments: list[str], message: str) -> None:
    done = script("run.py", *arguments)
    assert done.returncode == 2
    # Before it stands which peers are not installed.
    assert f"\nerror: {message}" in f"\n{done.stderr}"


def test_every_program_has_what_its_rows_measure(harness: SimpleNamespace) -> None:
    """Also those of libraries that are not installed here."""
    for row in harness.rows.ALL:
        for module in set(getattr(row.way, "modules", {}).values()):
            path = BENCHMARKS / module.replace(".", "/")
            function = getattr(row.way, "function", "idle_tasks")
            assert function in names(path.with_suffix(".py")), (row.name, module)
        for server in set(getattr(row.way, "servers", {}).values()):
            folder, suffix = ("servers", "") if server.endswith(".py") else ("native", ".c")
            assert (BENCHMARKS / folder / f"{server}{suffix}").exists(), (row.name, server)


def names(path: Path) -> set[str]:
    """What a module defines, or imports by name."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


@needs_what_it_needs
def test_a_short_run_measures_servers_and_programs_and_writes_everything_down(
    tmp_path: Path,
) -> None:
    files = {kind: tmp_path / f"results.{kind}" for kind in ("markdown", "json", "svg")}
    short = "--rounds", 2, "--seconds", 0.05, "--warmup", 0.01
    chosen = "--rows", "echo-10", "timeout", "tls", "--peers", "giambio", "c", "asyncio-streams"
    written = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    done = script("run.py", *chosen, *short, *written)
    assert done.returncode == 0, done.stderr

    found = json.loads(files["json"].read_text())
    assert set(found["rows"]) == {"echo-10", "timeout", "tls"}
    echo = found["rows"]["echo-10"]
    assert set(echo["samples"]) == {"giambio", "c", "asyncio-streams"}
    for samples in echo["samples"].values():
        assert [sample["value"] > 0 and sample["cpu"] > 0 for sample in samples] == [True, True]
    assert found["rows"]["timeout"]["samples"].keys() == {"giambio", "c"}
    assert found["machine"]["python"]
    assert "## echo-10: TCP echo of 1 KiB, 10 connections" in files["markdown"].read_text()
    assert ElementTree.parse(files["svg"]).getroot().tag.endswith("svg")
    assert "round 2/2, echo-10, giambio: " in done.stderr


@needs_what_it_needs
@pytest.mark.parametrize(
    ("rows", "peers"),
    [
        (["accept", "unix-echo", "echo-1000-10"], ["giambio", "c"]),
        (["cancel", "file-whole"], ["giambio"]),
        (["file-lines"], ["blocking"]),  # the pure build would take long
    ],
)
def test_rows_of_every_kind_are_measured(rows: list[str], peers: list[str], tmp_path: Path) -> None:
    written = tmp_path / "results.json"
    short = "--rounds", 1, "--seconds", 0.02, "--warmup", 0.01
    done = script("run.py", "--rows", *rows, "--peers", *peers, *short, "--json", written)
    assert done.returncode == 0, done.stderr
    found = json.loads(written.read_text())["rows"]
    assert set(found) == set(rows)
    for row in found.values():
        assert set(row["samples"]) == set(peers)
        assert all(samples[0]["value"] > 0 for samples in row["samples"].values())


# --- what is made of the samples ---


def sample(harness: SimpleNamespace, value: float, **facts: Any) -> Any:
    return harness.samples.Sample(value, "a program", **facts)


def row(harness: SimpleNamespace, peers: Sequence[str], **facts: Any) -> Any:
    way = SimpleNamespace(peers=peers)
    return harness.rows.Row("row", "what it does", "things/s", way, **facts)


def results(
    harness: SimpleNamespace, samples: Mapping[str, Sequence[Any]], failures: Any = None
) -> Any:
    numbered = {("row", peer): dict(enumerate(every)) for peer, every in samples.items()}
    return harness.schedule.Results(numbered, failures or {})


def test_figures_are_medians_with_the_lowest_and_the_highest(harness: SimpleNamespace) -> None:
    spread = harness.summary.Spread.of([5.0, 1.0, 100.0])
    assert (spread.median, spread.low, spread.high) == (5.0, 1.0, 100.0)
    assert harness.summary.Spread.of([1.0, 2.0]).median == 1.5


def test_ratios_are_taken_within_a_round(harness: SimpleNamespace) -> None:
    """The machine became ten times slower in the second round, for both."""
    ours = [sample(harness, value) for value in (200, 20, 300)]
    theirs = [sample(harness, value) for value in (100, 10, 100)]
    found = harness.summary.findings(
        results(harness, {"giambio": ours, "trio": theirs}),
        row(harness, ["giambio", "trio"]),
        ["giambio", "trio"],
    )
    assert [finding.value.median for finding in found] == [200, 100]
    assert found[0].better is None
    better = found[1].better
    assert (better.low, better.median, better.high) == (2.0, 2.0, 3.0)


def test_smaller_is_better_where_the_row_says_so(harness: SimpleNamespace) -> None:
    ours, theirs = {0: sample(harness, 100)}, {0: sample(harness, 300)}
    memory = row(harness, ["giambio", "trio"], less_is_better=True)
    assert harness.summary.compare(memory, ours, theirs).by_value.median == 3.0
    speed = row(harness, ["giambio", "trio"])
    assert harness.summary.compare(speed, ours, theirs).by_value.median == pytest.approx(1 / 3)


def test_disturbed_rounds_do_not_count_if_most_were_quiet(harness: SimpleNamespace) -> None:
    ours = {n: sample(harness, 100) for n in range(3)}
    theirs = {n: sample(harness, value) for n, value in enumerate((50, 50, 1))}
    theirs[2] = sample(harness, 1, disturbed=0.5)
    found = harness.summary.compare(row(harness, ["giambio", "trio"]), ours, theirs)
    assert (found.by_value.high, found.disturbed) == (2.0, False)


def test_cpu_time_decides_where_the_throughput_says_nothing(harness: SimpleNamespace) -> None:
    asked = row(harness, ["giambio", "c"], owed={"c": 1.5})
    ours = [sample(harness, 100, cpu=1e-6, load_busy=0.5)]
    for facts in ({"load_busy": 0.99}, {"load_busy": 0.5, "disturbed": 0.5}):
        theirs = [sample(harness, 100, cpu=2e-6, **facts)]
        samples = results(harness, {"giambio": ours, "c": theirs})
        (verdict,) = harness.summary.verdicts(samples, asked, ["giambio", "c"])
        assert (verdict.by_cpu, verdict.reached, verdict.found.median) == (True, True, 2.0)
    theirs = [sample(harness, 100, cpu=2e-6, load_busy=0.5)]
    samples = results(harness, {"giambio": ours, "c": theirs})
    (verdict,) = harness.summary.verdicts(samples, asked, ["giambio", "c"])
    assert (verdict.by_cpu, verdict.reached, verdict.found.median) == (False, False, 1.0)


def test_a_goal_may_be_one_of_cpu_time(harness: SimpleNamespace) -> None:
    asked = row(harness, ["giambio", "trio"], owed={"trio": 1.5}, owed_by_cpu={"trio": 1.5})
    ours, theirs = sample(harness, 100, cpu=1e-6), sample(harness, 100, cpu=2e-6)
    samples = results(harness, {"giambio": [ours], "trio": [theirs]})
    by_value, by_cpu = harness.summary.verdicts(samples, asked, ["giambio", "trio"])
    assert (by_value.found.median, by_value.reached) == (1.0, False)
    assert (by_cpu.found.median, by_cpu.reached) == (2.0, True)
    assert str(by_cpu.goal) == "giambio 1.5 × trio by CPU"


def test_the_pure_build_owes_not_to_be_behind_trio(harness: SimpleNamespace) -> None:
    peers = ["giambio", "giambio-pure", "trio"]
    samples = {
        "giambio": [sample(harness, 3.0)],
        "giambio-pure": [sample(harness, 0.9)],
        "trio": [sample(harness, 1.0)],
    }
    (verdict,) = harness.summary.verdicts(results(harness, samples), row(harness, peers), peers)
    assert verdict.goal.ours == "giambio-pure"
    assert verdict.found.median == pytest.approx(0.9)
    assert not verdict.reached


def test_a_goal_whose_peer_failed_is_not_measured(harness: SimpleNamespace) -> None:
    samples = results(harness, {"giambio": [sample(harness, 1)]}, {("row", "trio"): "boom"})
    asked = row(harness, ["giambio", "trio"], owed={"trio": 2.0})
    plan = harness.schedule.Plan([(asked, ["giambio", "trio"])], 1, harness.samples.Timing(1, 1, 1))
    report = harness.report.Report(plan, samples, {})
    (verdict,) = report.verdicts()
    assert (verdict.found, verdict.reached) == (None, False)
    assert "not measured" in report.text()
    assert "trio FAILED: boom" in report.text()
    assert harness.report.goals_reached([verdict]) == "0 of 0 goals reached, 1 not measured"


def test_a_peer_that_fails_is_reported_and_not_tried_again(harness: SimpleNamespace) -> None:
    tried = []

    def measure(peer: str, timing: object, bench: object) -> Any:
        tried.append(peer)
        if peer == "trio":
            raise harness.errors.BenchmarkError("it fell over")
        return sample(harness, 1.0)

    failing = row(harness, ["giambio", "trio"])
    failing.way.measure = measure
    timing = harness.samples.Timing(1, 1, 1)
    plan = harness.schedule.Plan([(failing, failing.way.peers)], 3, timing)
    progress = SimpleNamespace(
        begin=lambda label: None, done=lambda label, outcome: None, finish=lambda: None
    )
    found = harness.schedule.run_interleaved(plan, None, progress)
    assert found.failures == {("row", "trio"): "it fell over"}
    assert tried.count("trio") == 1
    assert len(found.samples["row", "giambio"]) == 3


def test_a_peer_that_cannot_be_measured_here_says_why(
    harness: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    hindrance = harness.peers.hindrance
    assert hindrance("c") == ""
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    assert hindrance("asyncio-eager") == "needs Python 3.12"
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    assert hindrance("asyncio-eager") == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert hindrance("aiofiles") == "aiofiles, uvloop not installed"


def test_the_longest_pause_is_that_between_two_turns(
    harness: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([1.0, 1.5, 4.0, 4.25])
    monkeypatch.setattr(harness.inside.time, "process_time", lambda: next(clock))

    def crowd(n: int, parked: Any, turn: Any) -> None:
        for _ in range(4):
            turn()
        parked()

    program = SimpleNamespace(run=lambda function, *args: function(*args))
    assert harness.inside.crowd(program, crowd, 3)["pause"] == 2.5


def test_each_round_begins_with_another_peer(harness: SimpleNamespace) -> None:
    plan = harness.schedule.Plan(
        [(row(harness, list("abc")), list("abc"))], 3, harness.samples.Timing(1, 1, 1)
    )
    assert "".join(peer for _, _, peer in plan.turns()) == "abcbcacab"


def test_percentiles_come_from_the_buckets_of_the_load_generator(
    harness: SimpleNamespace,
) -> None:
    before = [0] * harness.counters.BUCKETS
    after = list(before)
    after[20] = 99  # below 32 ns a bucket is a nanosecond
    after[40] = 1
    assert harness.counters.percentile(0.99, before, after) == pytest.approx(20e-9)
    assert harness.counters.percentile(1.0, before, after) == pytest.approx(40e-9)


# --- what is published ---


def test_the_readmes_say_what_was_saved(harness: SimpleNamespace) -> None:
    """As `run.py --summary` writes it."""
    for path, text in harness.published.readmes().items():
        assert path.read_text(encoding="utf-8") == text


def test_every_row_in_which_somebody_is_ahead_is_named(
    harness: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    samples = {
        "giambio": [sample(harness, 10, cpu=1.0)],
        "giambio-pure": [sample(harness, 20, cpu=1.0)],
        "trio": [sample(harness, 5, cpu=2.0)],
        "uvloop": [sample(harness, 20, cpu=0.5)],
        "gevent": [sample(harness, 5, cpu=0.5, disturbed=0.5)],
        "c": [sample(harness, 80, cpu=0.1)],
    }
    found = results(harness, samples)
    asked = row(harness, list(samples))
    plan = harness.schedule.Plan([(asked, list(samples))], 1, harness.samples.Timing(1, 1, 1))
    report = harness.report.Report(plan, found, {})
    for python in ("3.9", "3.13"):
        report.write_json(tmp_path / f"results-{python}.json")
    monkeypatch.setattr(harness.published, "RESULTS", tmp_path)
    newest, oldest = harness.published.every()
    assert (newest.python, oldest.python) == ("3.13", "3.9")
    assert [finding.peer for finding in newest.ahead["row"]] == ["c", "uvloop", "gevent"]
    assert "`row` (uvloop, gevent)" in "\n".join(harness.published.in_short([newest]))
    said = list(harness.published.at_length([newest, oldest]))
    assert said[-1].startswith("| `row`: what it does | c 0.12, uvloop 0.50, gevent 0.50 |")


# --- counting instructions ---

COUNTS = """\
# callgrind format
ob=/lib/libpython3.11.so.1.0
fl=/src/Python/ceval.c
fn=_PyEval_EvalFrameDefault
0 100
cob=/lib/libc.so.6
cfn=send
calls=3 0
0 5000
0 11
ob=/lib/libc.so.6
fl=???
fn=send
0 30
"""


def test_instructions_are_those_of_a_function_itself(
    harness: SimpleNamespace, tmp_path: Path
) -> None:
    path = tmp_path / "counts"
    path.write_text(COUNTS)
    counts = harness.callgrind.read(path)
    by_function = {place.function: n for place, n in counts.instructions.items()}
    assert by_function == {"_PyEval_EvalFrameDefault": 111, "send": 30}
    assert counts.calls["/lib/libc.so.6", "send"] == 3
    twice = harness.callgrind.Counts(counts.instructions + counts.instructions, counts.calls)
    assert sum(twice.since(counts, 10).instructions.values()) == pytest.approx(14.1)
    assert list(twice.since(counts, 10).calls) == []


def test_a_profile_names_functions_as_their_authors_did(harness: SimpleNamespace) -> None:
    readable = harness.profile.readable
    assert readable("__pyx_f_7giambio_6kernel_4task_4Task_exited") == "Task.exited"
    assert readable("__pyx_pw_7giambio_6kernel_4task_4Task_1__init__") == "Task.__init__"
    assert readable("__pyx_tp_dealloc_7giambio_6kernel_4task_Join") == "task.Join (dealloc)"
    assert readable("_PyObject_Malloc.part.0") == "_PyObject_Malloc"


def test_the_gate_lets_pass_what_is_within_the_margin(harness: SimpleNamespace) -> None:
    expected = {"spawn": 1.0, "channel": 1.0, "echo": 1.0}
    found = {"spawn": 1.04, "channel": 1.06, "echo": 0.5, "new": 1.0}
    lines, worse = harness.gate.compare(found, expected, margin=0.05)
    assert worse == ["channel", "new"]
    assert "MORE THAN EXPECTED" in lines[1]
    assert "update what is expected" in lines[2]


def test_the_gate_says_how_to_go_on_when_it_fails(
    harness: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = {"toolchain": harness.gate.toolchain(), "ratios": {"spawn": 1.0}}
    assert harness.gate.report({"spawn": 1.01}, expected, "3.11") == 0
    assert "FAILED" not in capsys.readouterr().out
    assert harness.gate.report({"spawn": 1.2}, expected, "3.11") == 1
    said = capsys.readouterr().out
    assert "FAILED: more than 5% above what is expected: spawn." in said
    assert "python benchmarks/check_instructions.py --update" in said


def test_the_gate_fails_if_looking_into_a_program_costs_more_than_promised(
    harness: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rule 26.14: 2 % of an echo for the monitor, 25 % for `top`."""
    assert harness.gate.report_looks({"echo_monitored": 0.01, "echo_timed": 0.2}) == 0
    assert "MORE" not in capsys.readouterr().out
    assert harness.gate.report_looks({"echo_monitored": 0.03, "echo_timed": 0.2}) == 1
    assert "MORE THAN PROMISED" in capsys.readouterr().out
    assert harness.gate.report_looks({"echo_monitored": 0.01, "echo_timed": 0.3}) == 1


def test_the_gate_is_lenient_with_another_toolchain(harness: SimpleNamespace) -> None:
    expected = {"toolchain": {"python": "2.7.18"}, "ratios": {"spawn": 1.0}}
    assert harness.gate.report({"spawn": 1.2}, expected, "3.11") == 0
    assert harness.gate.report({"spawn": 1.3}, expected, "3.11") == 1
