"""Every public name has a docstring with an example that runs, in both builds.

doctest's own finder does not see compiled functions, so the docstrings are
looked up here and handed to its parser.
"""

from __future__ import annotations

import doctest
import inspect
import io
import types
import warnings
from typing import Any

import pytest

import giambio
import giambio.testing

#: What users may use of the public classes; the rest without an underscore is
#: for the rooms of giambio among themselves, and has no examples.
MEMBERS = {
    "AsyncDatagramSocket": (
        "aclose bind close connect family fileno getpeername getsockname getsockopt receive "
        "receive_from send send_to setsockopt"
    ),
    "AsyncFile": (
        "close fileno flush fsync read readinto readline readlines receive seek send_all tell "
        "truncate write writelines"
    ),
    "AsyncSocket": (
        "accept aclose bind close connect family fileno getpeername getsockname getsockopt listen "
        "receive receive_into send send_all send_eof setsockopt"
    ),
    "Barrier": "abort broken n_waiting parties reset statistics wait",
    "Broadcast": "aclose close send send_nowait statistics subscribe",
    "BlockingPortal": (
        "call sleep_until_stopped start_task start_task_soon stop wrap_async_context_manager"
    ),
    "BufferedStream": (
        "buffer close receive receive_exactly receive_line receive_until send_all send_eof "
        "transport_stream"
    ),
    "CancelScope": "cancel cancel_called cancelled_caught deadline reason shield stop",
    "CapacityLimiter": (
        "acquire acquire_nowait acquire_on_behalf_of acquire_on_behalf_of_nowait "
        "available_tokens borrowed_tokens release release_on_behalf_of statistics total_tokens"
    ),
    "Clock": "now wait_time",
    "ClusterManager": "cancel map_concurrent spawn",
    "Condition": (
        "acquire acquire_nowait locked notify notify_all release statistics wait wait_for"
    ),
    "Event": "is_set set statistics wait",
    "EventLoop": (
        "add_hook begin call_at call_later call_soon call_soon_threadsafe close current_time "
        "deliver driver_wait end remove_hook run_ready start turn wrap_socket"
    ),
    "Handle": "cancel cancelled",
    "LifoQueue": (
        "aclose close empty full get get_nowait join maxsize put put_nowait qsize shutdown "
        "statistics task_done"
    ),
    "Lock": "acquire acquire_nowait locked release statistics",
    "PriorityQueue": (
        "aclose close empty full get get_nowait join maxsize put put_nowait qsize shutdown "
        "statistics task_done"
    ),
    "Queue": (
        "aclose close empty full get get_nowait join maxsize put put_nowait qsize shutdown "
        "statistics task_done"
    ),
    "RateLimiter": "acquire has_capacity",
    "ReceiveChannel": "aclose clone close receive receive_nowait statistics",
    "RunVar": "get name reset set",
    "Runner": "close get_loop run",
    "SendChannel": "aclose clone close send send_nowait statistics",
    "Process": "aclose kill returncode send_signal terminate wait",
    "Semaphore": "acquire acquire_nowait max_value release statistics value",
    "SocketListener": "accept address",
    "StapledStream": "close receive_stream send_eof send_stream",
    "TLSStream": (
        "alpn_protocol cipher close peer_certificate receive send_all send_eof ssl_object "
        "tls_version transport_stream"
    ),
    "Subscription": "aclose close dropped receive receive_nowait",
    "Supervisor": "cancel start start_soon stop",
    "Task": (
        "add_done_callback cancel cancelled done exception has_pending_cancellation id join name "
        "parent remove_done_callback result root"
    ),
    "TaskManager": "cancel cancel_scope loop spawn spawn_threadsafe start start_soon stop",
    "TaskStatus": "started",
    "TextStream": "receive send_all send_eof",
    "Watch": "aclose close set statistics subscribe value",
    "Watcher": "changed value",
    "WorkerThread": "close run",
    "from_thread": "check_cancelled run run_sync",
    "testing.Host": "join",
    "testing.Simulation": "always digest eventually hosts intercept partition reset",
    "testing.VirtualClock": "jump jump_to now wait_time",
}
#: Called by giambio and not by users; the class's example shows how.
TO_OVERRIDE = {
    "Hook": "after_step before_step cancelled exited parked spawned swallowed woken",
    "Resolver": "getaddrinfo getnameinfo",
}

PUBLIC = [*giambio.__all__, *(f"testing.{name}" for name in giambio.testing.__all__)]
DOCUMENTED = [
    *PUBLIC,
    *(f"{cls}.{member}" for cls, members in MEMBERS.items() for member in members.split()),
]


def find(name: str) -> Any:
    """The object of a name such as ``"Task.join"``, as it stands in its class."""
    found: Any = giambio
    for part in name.split("."):
        found = (inspect.getattr_static if isinstance(found, type) else getattr)(found, part)
    return found


PUBLIC_CLASSES = [name for name in PUBLIC if isinstance(find(name), type)]


def docstring(name: str) -> str:
    """The docstring of a name such as ``"Task.join"``."""
    return inspect.cleandoc(find(name).__doc__ or "")


def is_ours(cls: type, member: str) -> bool:
    """Tell whether a class has a member from giambio, and not from Python."""
    holder = next(base for base in cls.__mro__ if member in vars(base))
    return holder.__module__.startswith("giambio")


@pytest.mark.usefixtures("in_turn")
@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_has_an_example_that_runs(name: str) -> None:
    """Rule 21.5: its example runs."""
    text = docstring(name)
    test = doctest.DocTestParser().get_doctest(text, dict(vars(giambio)), name, None, 0)
    assert test.examples, f"{name} has no example"
    report = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = doctest.DocTestRunner(verbose=False).run(test, out=report.write)
    assert outcome.failed == 0, report.getvalue()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_its_docstring_begins_with_a_sentence(name: str) -> None:
    first = docstring(name).split("\n\n", 1)[0]
    assert first, f"{name} has no docstring"
    assert first[0].isupper() or first.startswith("`"), first
    assert first.endswith((".", "`")), first


@pytest.mark.parametrize(("cls", "members"), TO_OVERRIDE.items())
def test_what_is_to_be_overridden_says_when_it_is_called(cls: str, members: str) -> None:
    assert all(docstring(f"{cls}.{member}") for member in members.split())


@pytest.mark.parametrize("cls", PUBLIC_CLASSES)
def test_what_has_an_example_is_in_the_list(cls: str) -> None:
    public = find(cls)
    members = [name for name in dir(public) if not name.startswith("_") and is_ours(public, name)]
    with_example = [name for name in members if ">>> " in docstring(f"{cls}.{name}")]
    assert with_example == MEMBERS.get(cls, "").split()


AWAITING = (
    "AsyncSocket.",
    "BufferedStream.",
    "StapledStream.",
    "TLSStream.",
    "Task.",
    "TaskManager.",
    "TextStream.",
)
FUNCTIONS = [name for name in DOCUMENTED if inspect.isroutine(find(name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_its_parameters_are(name: str) -> None:
    parameters = inspect.signature(find(name)).parameters.keys() - {"self"}
    text = docstring(name)
    named = [parameter for parameter in parameters if parameter not in text]
    assert named == []
    assert not parameters or "Parameters:" in text


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name.startswith(AWAITING)])
def test_a_method_says_whether_it_is_a_checkpoint(name: str) -> None:
    assert "heckpoint" in docstring(name)


def test_all_is_sorted_and_complete() -> None:
    assert giambio.__all__ == sorted(giambio.__all__)
    assert giambio.testing.__all__ == sorted(giambio.testing.__all__)
    public = {
        name
        for name, value in vars(giambio).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public == set(giambio.__all__)
