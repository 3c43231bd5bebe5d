"""The compiled build and the pure one are the same to their users.

One process has one build. So `support/parity.py` describes the build that runs
it, is run once for each, and what it says is compared here. What can be asked
of a build by itself is asked of the one that runs the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import giambio

Report = dict[str, Any]

SCRIPT = Path(__file__).parents[1] / "support" / "parity.py"


@pytest.fixture(scope="module")
def here() -> Report:
    """What the build that runs the tests says of itself."""
    return report_of("")


@pytest.fixture(scope="module")
def reports(here: Report) -> tuple[Report, Report]:
    """What the compiled build and the pure one of this installation say."""
    if here["build"] != "compiled":
        pytest.skip("this is the pure build, and there is no compiled one to compare it with")
    pure = report_of("1")
    assert pure["build"] == "pure"
    return here, pure


def report_of(giambio_pure: str) -> Report:
    """Run the helper in a process of its own, with this ``GIAMBIO_PURE``."""
    environment = dict(os.environ, PYTHONHASHSEED="0")
    if giambio_pure:
        environment["GIAMBIO_PURE"] = giambio_pure
    command = [sys.executable, "-P", str(SCRIPT)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    report: Report = json.loads(ended.stdout)
    return report


def differences(compiled: Report, pure: Report) -> dict[str, tuple[Any, Any]]:
    """The entries that are not equal, of both."""
    keys = sorted({*compiled, *pure})
    return {
        key: (compiled.get(key), pure.get(key))
        for key in keys
        if compiled.get(key) != pure.get(key)
    }


def test_the_compiled_build_has_no_public_name_that_the_pure_one_has_not(
    reports: tuple[Report, Report],
) -> None:
    """Rule 20.1: the two builds have one interface."""
    compiled, pure = reports
    assert set(compiled["docstrings"]) - set(pure["docstrings"]) == set()


def test_signatures_agree(reports: tuple[Report, Report]) -> None:
    """Rule 20.1: names, kinds and defaults of parameters agree."""
    compiled, pure = reports
    common = set(compiled["signatures"]) & set(pure["signatures"])
    assert set(giambio.__all__) & set(pure["signatures"]) <= common
    of_compiled, of_pure = (
        {name: report["signatures"][name] for name in common} for report in reports
    )
    assert differences(of_compiled, of_pure) == {}


def test_annotations_agree_where_both_have_them(reports: tuple[Report, Report]) -> None:
    """Rule 20.1: `inspect.signature` agrees."""
    compiled, pure = (
        {
            (name, parameter): annotation
            for name, annotations in report["annotations"].items()
            for parameter, annotation in annotations.items()
        }
        for report in reports
    )
    assert ("sleep", "seconds") in compiled
    assert {key: (text, pure[key]) for key, text in compiled.items() if pure[key] != text} == {}


def test_docstrings_agree(reports: tuple[Report, Report]) -> None:
    """Rule 20.1: docstrings agree."""
    compiled, pure = reports
    common = set(compiled["docstrings"]) & set(pure["docstrings"])
    of_compiled, of_pure = (
        {name: report["docstrings"][name] for name in common} for report in reports
    )
    assert differences(of_compiled, of_pure) == {}


@pytest.mark.parametrize("part", ["help", "objects", "numbers", "bytes", "calls"])
def test_outcomes_agree(reports: tuple[Report, Report], part: str) -> None:
    """Rule 20.2: the type of every error agrees, whatever is passed."""
    compiled, pure = reports
    assert len(pure[part]) > 5
    assert differences(compiled[part], pure[part]) == {}


# -- of either build ---------------------------------------------------------------------


def test_every_public_name_has_a_docstring() -> None:
    """Rule 21.5: every public name, and its methods."""
    missing = [name for name in giambio.__all__ if not getattr(giambio, name).__doc__]
    assert missing == []


def test_every_public_callable_has_a_signature(here: Report) -> None:
    """Rule 20.1: `inspect.signature`."""
    assert len(here["signatures"]) > 50
    unknown = {
        name: signature
        for name, signature in here["signatures"].items()
        if signature.startswith("no signature") or signature == "(*args, **kwargs)"
    }
    assert unknown == {}


def test_help_shows_every_public_name(here: Report) -> None:
    """Rule 20.1: `help()` works."""
    assert set(here["help"].values()) == {"shown"}


FINAL = (
    "AsyncDatagramSocket",
    "AsyncFile",
    "AsyncSocket",
    "Backoff",
    "Barrier",
    "BlockingPortal",
    "Broadcast",
    "BufferedStream",
    "BuildInfo",
    "CancelScope",
    "CapacityLimiter",
    "ClusterManager",
    "Condition",
    "Event",
    "EventLoop",
    "Handle",
    "LifoQueue",
    "Lock",
    "NamedTemporaryFile",
    "Path",
    "PipeReceiveStream",
    "PipeSendStream",
    "PriorityQueue",
    "Process",
    "Queue",
    "RateLimiter",
    "ReceiveChannel",
    "RunVar",
    "Runner",
    "Semaphore",
    "SendChannel",
    "SignalReceiver",
    "SocketListener",
    "SpooledTemporaryFile",
    "StapledStream",
    "Subscription",
    "Supervisor",
    "TLSStream",
    "Task",
    "TaskManager",
    "TaskStatus",
    "TemporaryDirectory",
    "TemporaryFile",
    "TextStream",
    "Tracer",
    "Watch",
    "Watcher",
    "WorkerThread",
    "external_wakeups",
    "from_thread",
    "interval",
)


TO_DERIVE_FROM = {
    "ByteStream",
    "Clock",
    "Hook",
    "Listener",
    "ReceiveStream",
    "Resolver",
    "SendStream",
}


def test_these_are_all_the_final_classes() -> None:
    """The list is complete: what is left is made for subclassing, or an error."""
    classes = {name for name in giambio.__all__ if isinstance(getattr(giambio, name), type)}
    errors = {name for name in classes if issubclass(getattr(giambio, name), BaseException)}
    plain = {name for name in classes if issubclass(getattr(giambio, name), tuple)}
    others = errors | plain | TO_DERIVE_FROM
    assert classes - others == set(FINAL) & set(giambio.__all__)


@pytest.mark.parametrize("name", FINAL)
def test_public_classes_are_final(here: Report, name: str) -> None:
    """Rule 20.4: public classes are final."""
    refusal = here["objects"][name]["subclass"]
    assert refusal.startswith("TypeError: type 'giambio.")
    assert refusal.endswith(f".{name}' is not an acceptable base type")


@pytest.mark.parametrize("name", FINAL)
@pytest.mark.parametrize("how", ["copy", "deepcopy", *(f"pickle {n}" for n in range(6))])
def test_objects_of_public_classes_cannot_be_copied(here: Report, name: str, how: str) -> None:
    """Rule 20.4: public classes are not picklable, nor copied that way."""
    assert here["objects"][name][how] == f"TypeError: cannot pickle '{name}' object"


@pytest.mark.parametrize("name", FINAL)
def test_objects_of_public_classes_take_no_new_attributes(here: Report, name: str) -> None:
    """Rule 20.4: public classes take no new attributes."""
    assert here["objects"][name]["new attribute"] == "AttributeError"
    assert here["objects"][name]["__dict__"] == "AttributeError"


@pytest.mark.parametrize("name", ["Task", "EventLoop"])
def test_tasks_and_loops_can_be_hashed_and_referenced_weakly(here: Report, name: str) -> None:
    """Rule 3.18: `Task` and `EventLoop` are hashable and can be weakly referenced."""
    assert here["objects"][name]["hash"] == "returned None"
    assert here["objects"][name]["weakref"] == "returned True"


@pytest.mark.parametrize("attribute", ["cancel_called", "cancelled_caught", "reason"])
def test_what_a_scope_tells_cannot_be_set(here: Report, attribute: str) -> None:
    """Read-only in both builds: a compiled class has it so by itself."""
    assert here["calls"][f"scope.{attribute}"] == "AttributeError"


@pytest.mark.parametrize("name", ["sleep", "sleep_until", "move_on_after", "CancelScope"])
@pytest.mark.parametrize("value", ["None", "bytes", "bytearray", "memoryview", "str"])
def test_what_is_no_number_is_refused_by_name(here: Report, name: str, value: str) -> None:
    """Rule 20.3: ``x: float`` in Cython turns 1 into 1.0, rejects None."""
    assert here["numbers"][f"{name}: {value}"].startswith(f"TypeError: {name}() needs a number")


def test_numbers_are_not_converted(here: Report) -> None:
    """Rule 20.3: ``x: float`` in Cython turns 1 into 1.0, rejects None."""
    assert here["numbers"]["CancelScope.deadline: 1"] == "returned 'int'"
    assert here["numbers"]["CancelScope.deadline: 1.0"] == "returned 'float'"
