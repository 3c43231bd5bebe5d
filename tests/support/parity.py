"""Describes the build that runs it, as JSON: `test_parity.py` compares two of them.

It is run as a script, once for each build, because one process has one build.
"""

from __future__ import annotations

import copy
import inspect
import json
import math
import os
import pickle
import pydoc
import re
import signal
import socket
import ssl
import sys
import warnings
import weakref
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from subprocess import PIPE
from typing import Any

import giambio

Outcomes = dict[str, str]

#: Every kind of thing that a caller might take for a number, or for bytes.
VALUES: dict[str, Any] = {
    "0": 0,
    "1": 1,
    "-1": -1,
    "2**31": 2**31,
    "2**63": 2**63,
    "10**400": 10**400,
    "0.0": 0.0,
    "0.5": 0.5,
    "1.0": 1.0,
    "-0.5": -0.5,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "False": False,
    "True": True,
    "None": None,
    "str": "1",
    "empty str": "",
    "bytes": b"1",
    "empty bytes": b"",
    "bytearray": bytearray(b"1"),
    "memoryview": memoryview(b"1"),
    "writable memoryview": memoryview(bytearray(4)),
    "memoryview of numbers": memoryview(bytearray(8)).cast("i"),
    "memoryview with gaps": memoryview(bytearray(8))[::2],
    "empty memoryview": memoryview(b""),
    "complex": 1j,
    "Fraction": Fraction(1, 2),
    "Decimal": Decimal("0.5"),
    "list": [1],
}


#: Messages of Python's own, which name C types and functions in another way.
PYTHONS_OWN = re.compile(
    "no attribute|read-only|not writable|no setter|no deleter|takes no arguments|"
    "positional argument|keyword argument|"
    "exactly .* argument|not subscriptable|not callable|no len|not supported between|"
    "weak reference|has no signature|does not support the context manager protocol"
)


class Index:
    """A whole number to those who ask for one."""

    def __index__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "Index()"


class Float:
    """A number to those who ask for one."""

    def __float__(self) -> float:
        return 0.5

    def __repr__(self) -> str:
        return "Float()"


VALUES["__index__"] = Index()
VALUES["__float__"] = Float()


def main() -> None:
    """Print it."""
    warnings.simplefilter("ignore")
    report = {
        "build": giambio.build_info().build,
        "signatures": signatures(),
        "annotations": annotations(),
        "docstrings": docstrings(),
        "help": helps(),
        "objects": giambio.run(objects),
        "numbers": giambio.run(numbers),
        "bytes": giambio.run(bytes_like),
        "calls": giambio.run(calls),
    }
    json.dump(report, sys.stdout, indent=1, sort_keys=True)


# -- what can be read off the names ----------------------------------------------------


def members() -> dict[str, Any]:
    """Every public name, and every public name in a public class."""
    found: dict[str, Any] = {}
    for name in giambio.__all__:
        value = getattr(giambio, name)
        found[name] = value
        if isinstance(value, type):
            for inner in dir(value):
                if not inner.startswith("_") and not hasattr(BaseException, inner):
                    found[f"{name}.{inner}"] = inspect.getattr_static(value, inner)
    return found


def signatures() -> Outcomes:
    """How each is called; annotations apart, which only one build may have."""
    found = {}
    for name, value in members().items():
        if callable(value) and not (isinstance(value, type) and issubclass(value, BaseException)):
            found[name] = describe_signature(value)
    return found


def describe_signature(value: Any) -> str:
    """The names, kinds and defaults of the parameters."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError) as exc:
        return f"no signature: {type(exc).__name__}"
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters))


def annotations() -> dict[str, dict[str, str]]:
    """The annotations, where there are any."""
    return {
        name: {key: str(value) for key, value in found.items()}
        for name, value in members().items()
        if (found := getattr(value, "__annotations__", None)) and callable(value)
    }


def docstrings() -> Outcomes:
    """What `help` begins with."""
    return {name: inspect.getdoc(value) or "" for name, value in members().items()}


def helps() -> Outcomes:
    """Whether `help` can show it."""
    return {name: show(getattr(giambio, name)) for name in giambio.__all__}


def show(value: Any) -> str:
    """Render what `help` prints."""
    return "shown" if pydoc.render_doc(value) else "nothing"


# -- what objects of public classes allow ----------------------------------------------


async def objects() -> dict[str, Outcomes]:
    """What is refused by an object of each public class that is final."""
    found = {}
    with (
        giambio.wrap_socket(socket.socket()) as sock,
        await giambio.open_udp() as datagrams,
        giambio.CancelScope() as scope,
    ):
        async with (
            await giambio.open_file(os.devnull, "wb") as file,
            await giambio.open_process(["true"], stdin=PIPE, stdout=PIPE) as process,
            giambio.TaskManager() as manager,
        ):
            status = await manager.start(reports_itself)
            handle = giambio.current_loop().call_soon(print)
            handle.cancel()
            made = [
                sock,
                datagrams,
                giambio.SocketListener(sock),
                giambio.BufferedStream(sock),
                giambio.StapledStream(sock, sock),
                giambio.TextStream(sock),
                giambio.TLSStream(
                    sock, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), False, "localhost", True
                ),
                scope,
                manager,
                status,
                handle,
                giambio.current_loop(),
                giambio.current_task(),
                giambio.build_info(),
                giambio.external_wakeups(),
                giambio.Barrier(1),
                giambio.CapacityLimiter(1),
                giambio.Condition(),
                giambio.Event(),
                giambio.Lock(),
                giambio.Semaphore(1),
                giambio.RateLimiter(1),
                giambio.Backoff(),
                giambio.Supervisor(),
                giambio.ClusterManager(),
                giambio.interval(1),
                *giambio.open_channel(1),
                giambio.Broadcast(1),
                giambio.Broadcast(1).subscribe(),
                giambio.Watch(1),
                giambio.Watch(1).subscribe(),
                giambio.Queue(),
                giambio.LifoQueue(),
                giambio.PriorityQueue(),
                file,
                process,
                process.stdin,
                process.stdout,
                giambio.open_signal_receiver(signal.SIGTERM),
                giambio.Path(),
                giambio.TemporaryFile(),
                giambio.NamedTemporaryFile(),
                giambio.SpooledTemporaryFile(),
                giambio.TemporaryDirectory(),
                giambio.BlockingPortal(),
                giambio.Runner(),
                giambio.RunVar("v"),
                giambio.WorkerThread(),
                giambio.Tracer("trace.json"),
                giambio.from_thread(),
            ]
            for value in made:
                found[type(value).__name__] = refusals(value)
    return found


async def reports_itself(*, task_status: giambio.TaskStatus[Any]) -> None:
    """Give the `TaskStatus` away."""
    task_status.started(task_status)


def refusals(value: Any) -> Outcomes:
    """How an object answers to what it should not allow."""
    cls = type(value)
    attempts: dict[str, Callable[[], object]] = {
        "subclass": lambda: type("Sub", (cls,), {}),
        "copy": lambda: copy.copy(value),
        "deepcopy": lambda: copy.deepcopy(value),
        "new attribute": lambda: setattr(value, "brand_new", 1),
        "delete": lambda: delattr(value, "brand_new"),
        "__dict__": lambda: value.__dict__,
        "hash": lambda: hash(value) and None,
        "compare": lambda: (value == 5, value == value),
        "order": lambda: value < value,
        "call": lambda: value(),
        "length": lambda: len(value),
        "weakref": lambda: weakref.ref(value)() is value,
    }
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        attempts[f"pickle {protocol}"] = lambda protocol=protocol: pickle.dumps(value, protocol)
    return {name: outcome(attempt) for name, attempt in attempts.items()}


# -- what functions make of numbers, and of bytes ----------------------------------------


async def numbers() -> Outcomes:
    """What everything that takes a number does with each of the values."""
    loop = giambio.current_loop()
    takers: dict[str, Callable[[Any], object]] = {
        "sleep": giambio.sleep,
        "sleep_until": giambio.sleep_until,
        "move_on_after": lambda value: enter(giambio.move_on_after(value)),
        "move_on_at": lambda value: enter(giambio.move_on_at(value)),
        "fail_after": lambda value: enter(giambio.fail_after(value)),
        "fail_at": lambda value: enter(giambio.fail_at(value)),
        "CancelScope": lambda value: enter(giambio.CancelScope(deadline=value)),
        "CancelScope.deadline": set_deadline,
        "CancelScope.deadline, inside": set_deadline_inside,
        "CancelScope(shield=)": lambda value: giambio.CancelScope(shield=value).shield,
        "CancelScope.shield": lambda value: setattr(giambio.CancelScope(), "shield", value),
        "call_later": lambda value: loop.call_later(value, print).cancel(),
        "call_at": lambda value: loop.call_at(value, print).cancel(),
        "TaskManager(limit=)": lambda value: giambio.TaskManager(limit=value) and None,
        "TaskManager(loop)": lambda value: giambio.TaskManager(value) and None,
        "EventLoop(driver=)": lambda value: giambio.EventLoop(driver=value).close(),
        "wait_readable": giambio.wait_readable,
        "wait_writable": giambio.wait_writable,
        "notify_closing": giambio.notify_closing,
        "call_soon": loop.call_soon,
        "add_hook": loop.add_hook,
        "remove_hook": loop.remove_hook,
        "wrap_socket": giambio.wrap_socket,
        "wrap_datagram_socket": giambio.wrap_datagram_socket,
        "SocketListener": lambda value: giambio.SocketListener(value) and None,
        "set_resolver": giambio.set_resolver,
        "Barrier": lambda value: giambio.Barrier(value).parties,
        "CapacityLimiter": lambda value: giambio.CapacityLimiter(value).statistics(),
        "CapacityLimiter.total_tokens": set_total_tokens,
        "acquire_on_behalf_of": giambio.CapacityLimiter(1).acquire_on_behalf_of,
        "release_on_behalf_of": giambio.CapacityLimiter(1).release_on_behalf_of,
        "Condition": lambda value: giambio.Condition(value) and None,
        "Condition.notify": notify,
        "Condition.wait_for": giambio.Condition().wait_for,
        "Semaphore": lambda value: giambio.Semaphore(value).value,
        "open_channel": lambda value: giambio.open_channel(value)[0].statistics(),
        "Broadcast": lambda value: giambio.Broadcast(value).statistics(),
        "Queue": lambda value: (giambio.Queue(value).maxsize, giambio.Queue(value)),
        "PriorityQueue": ordered,
        "Semaphore(max_value=)": lambda value: giambio.Semaphore(0, max_value=value).max_value,
    }
    found = {}
    for name, take in takers.items():
        for label, value in VALUES.items():
            found[f"{name}: {label}"] = await awaited_outcome(take, value)
    for label, value in VALUES.items():
        with giambio.wrap_socket(socket.socket()) as sock:
            sock.bind(("127.0.0.1", 0))
            found[f"listen: {label}"] = outcome(sock.listen, value)
            found[f"bind: {label}"] = outcome(sock.bind, value)
            found[f"connect: {label}"] = await awaited_outcome(sock.connect, value)
        for method in ("receive", "receive_into"):
            found[f"{method}: {label}"] = await received(method, value)
        found.update(await datagram_numbers(label, value))
    return found


async def datagram_numbers(label: str, value: Any) -> Outcomes:
    """What a datagram socket makes of a value, as a size and as an address."""
    with await giambio.open_udp(host="127.0.0.1") as sock:
        await sock.send_to(b"four", sock.getsockname())
        return {
            f"datagram send_to: {label}": await awaited_outcome(
                lambda value: sock.send_to(b"", value), value
            ),
            f"datagram connect: {label}": await awaited_outcome(sock.connect, value),
            f"datagram receive: {label}": await awaited_outcome(sock.receive, value, cancel=False),
        }


def enter(scope: Any) -> object:
    """Enter and leave a scope; it tells what it knows of its deadline."""
    with scope as entered:
        return type(entered.deadline).__name__, entered.cancel_called


def set_deadline(value: Any) -> object:
    """Set the deadline of a scope that is not entered."""
    scope = giambio.CancelScope()
    scope.deadline = value
    return type(scope.deadline).__name__


def set_deadline_inside(value: Any) -> object:
    """Set the deadline of a scope that is entered."""
    with giambio.CancelScope() as scope:
        scope.deadline = value
        return scope.cancel_called


def set_total_tokens(value: Any) -> object:
    """Set how many tokens a limiter has."""
    limiter = giambio.CapacityLimiter(1)
    limiter.total_tokens = value
    return limiter.total_tokens, limiter.available_tokens


def ordered(value: Any) -> object:
    """Put something into a priority queue, beside a number."""
    queue = giambio.PriorityQueue()
    queue.put_nowait(1)
    queue.put_nowait(value)
    return queue.get_nowait(), queue.get_nowait()


def notify(value: Any) -> None:
    """Notify so many of those who wait for a condition: none do."""
    condition = giambio.Condition()
    condition.acquire_nowait()
    try:
        condition.notify(value)
    finally:
        condition.release()


async def received(method: str, value: Any) -> str:
    """What a socket with four bytes waiting gives."""
    left, right = map(giambio.wrap_socket, socket.socketpair())
    with left, right:
        await left.send_all(b"four")
        return await awaited_outcome(getattr(right, method), value, cancel=False)


async def bytes_like() -> Outcomes:
    """What everything that takes bytes does with each of the values."""
    found = {}
    for label, value in VALUES.items():
        with await giambio.open_udp(host="127.0.0.1") as sock:
            call = sock.send_to
            address = sock.getsockname()
            found[f"send_to: {label}"] = await awaited_outcome(
                lambda value, call=call, address=address: call(value, address), value, cancel=False
            )
        left, right = giambio.socketpair()
        with left, right:
            found[f"send_fds: {label}"] = await awaited_outcome(
                lambda value, left=left: giambio.send_fds(left, value, []), value, cancel=False
            )
        for method in ("send", "send_all"):
            left, right = map(giambio.wrap_socket, socket.socketpair())
            with left, right:
                sent = await awaited_outcome(getattr(left, method), value, cancel=False)
                await left.send_eof()
                found[f"{method}: {label}"] = f"{sent}; received {await right.receive()!r}"
    return found


async def calls() -> Outcomes:
    """Calls with too few, too many or misnamed arguments, and of the wrong things."""
    loop = giambio.current_loop()
    found = {}
    async with giambio.TaskManager() as manager:
        with giambio.wrap_socket(socket.socket()) as sock, giambio.CancelScope() as scope:
            attempts: dict[str, Callable[[], object]] = {
                "sleep()": lambda: giambio.sleep(),
                "sleep(1, 2)": lambda: giambio.sleep(1, 2),
                "sleep(delay=1)": lambda: giambio.sleep(delay=1),
                "checkpoint(1)": lambda: giambio.checkpoint(1),
                "CancelScope(5)": lambda: giambio.CancelScope(5),
                "CancelScope(timeout=5)": lambda: giambio.CancelScope(timeout=5),
                "TaskManager(None, None)": lambda: giambio.TaskManager(None, None),
                "TaskManager(size=1)": lambda: giambio.TaskManager(size=1),
                "EventLoop(None)": lambda: giambio.EventLoop(None),
                "move_on_after(1, True)": lambda: giambio.move_on_after(1, True),
                "receive(1, 2)": lambda: sock.receive(1, 2),
                "receive(size=1)": lambda: sock.receive(size=1),
                "send()": lambda: sock.send(),
                "send_all()": lambda: sock.send_all(),
                "spawn()": lambda: manager.spawn(),
                "spawn(context=5)": lambda: manager.spawn(giambio.sleep, 0, context=5),
                "start_soon()": lambda: manager.start_soon(),
                "start_soon(5)": lambda: manager.start_soon(5),
                "start_soon(print)": lambda: manager.start_soon(int),
                "start_soon(sleep(0), 1)": lambda: manager.start_soon(giambio.sleep_forever, 1),
                "start_soon(context=5)": lambda: manager.start_soon(giambio.sleep, 0, context=5),
                "cancel(1, 2)": lambda: scope.cancel(1, 2),
                "call_soon()": lambda: loop.call_soon(),
                "call_soon(5)": lambda: loop.call_soon(5),
                "call_soon(context=5)": lambda: loop.call_soon(print, context=5).cancel(),
                "with manager": lambda: enter(manager),
                "async with scope": lambda: scope.__aenter__(),
                "task.name": lambda: setattr(giambio.current_task(), "name", "other"),
                "del task.name": lambda: delattr(giambio.current_task(), "name"),
                "scope.reason": lambda: setattr(scope, "reason", "other"),
                "scope.cancel_called": lambda: setattr(scope, "cancel_called", True),
                "scope.cancelled_caught": lambda: setattr(scope, "cancelled_caught", True),
                "manager.cancel_scope": lambda: setattr(manager, "cancel_scope", scope),
                "sock.family": lambda: setattr(sock, "family", 5),
                "loop.start": lambda: setattr(loop, "start", print),
                "sock.receive": lambda: setattr(sock, "receive", print),
                "Task[int]": lambda: str(giambio.Task[int]).replace("kernel.task.", ""),
                "TaskStatus[int]": lambda: str(giambio.TaskStatus[int]).replace("manager.", ""),
                "AsyncSocket[int]": lambda: giambio.AsyncSocket[int],
                "AsyncDatagramSocket(1)": lambda: giambio.AsyncDatagramSocket(1),
                "send_fds()": lambda: giambio.send_fds(),
                "send_fds(tcp)": lambda: giambio.send_fds(sock, b"x", []),
                "receive_fds(tcp)": lambda: giambio.receive_fds(sock),
                "receive_fds(1, 2, 3, 4)": lambda: giambio.receive_fds(1, 2, 3, 4),
                "Barrier()": lambda: giambio.Barrier(),
                "Barrier(2).parties": lambda: setattr(giambio.Barrier(2), "parties", 3),
                "CapacityLimiter(1, 2)": lambda: giambio.CapacityLimiter(1, 2),
                "Condition(lock, 2)": lambda: giambio.Condition(giambio.Lock(), 2),
                "Condition().notify(1, 2)": lambda: giambio.Condition().notify(1, 2),
                "Event(1)": lambda: giambio.Event(1),
                "bool(Event())": lambda: bool(giambio.Event()),
                "Event().wait(1)": lambda: giambio.Event().wait(1),
                "Lock(1)": lambda: giambio.Lock(1),
                "Lock().release()": lambda: giambio.Lock().release(),
                "with Lock()": lambda: enter(giambio.Lock()),
                "Semaphore()": lambda: giambio.Semaphore(),
                "Semaphore(1, 1)": lambda: giambio.Semaphore(1, 1),
                "Semaphore(value=1)": lambda: giambio.Semaphore(value=1),
                "Semaphore(0).value": lambda: setattr(giambio.Semaphore(0), "value", 3),
                "Semaphore(0).acquire_nowait()": lambda: giambio.Semaphore(0).acquire_nowait(),
                "open_channel()": lambda: giambio.open_channel(),
                "open_channel(max_size=1)": lambda: giambio.open_channel(max_size=1),
                "open_channel[int](1)": lambda: giambio.open_channel[int](1),
                "SendChannel()": lambda: giambio.SendChannel(),
                "ReceiveChannel(1)": lambda: giambio.ReceiveChannel(1),
                "SendChannel.send()": lambda: giambio.open_channel(1)[0].send(),
                "SendChannel.send(1, 2)": lambda: giambio.open_channel(1)[0].send(1, 2),
                "send_nowait, broken": lambda: giambio.open_channel(1)[0].send_nowait(1),
                "receive_nowait, ended": lambda: giambio.open_channel(1)[1].receive_nowait(),
                "Broadcast()": lambda: giambio.Broadcast(),
                "Broadcast(1).send_nowait(1)": lambda: giambio.Broadcast(1).send_nowait(1),
                "Subscription()": lambda: giambio.Subscription(),
                "Watch()": lambda: giambio.Watch(),
                "Watch(1).value": lambda: setattr(giambio.Watch(1), "value", 3),
                "Watcher()": lambda: giambio.Watcher(),
                "Queue(1, 2)": lambda: giambio.Queue(1, 2),
                "Queue(size=1)": lambda: giambio.Queue(size=1),
                "Queue[int](1)": lambda: giambio.Queue[int](1),
                "Queue().maxsize": lambda: setattr(giambio.Queue(), "maxsize", 3),
                "Queue().get_nowait()": lambda: giambio.Queue().get_nowait(),
                "Queue().get(1)": lambda: giambio.Queue().get(1),
                "Queue().task_done()": lambda: giambio.Queue().task_done(),
                "close(), twice": lambda: [giambio.Queue().close() for _ in range(2)] and None,
            }
            for name, attempt in attempts.items():
                found[name] = await awaited_outcome(lambda _, call=attempt: call(), None)
    return found


async def awaited_outcome(
    function: Callable[[Any], object], value: Any, *, cancel: bool = True
) -> str:
    """The outcome of a call, and of awaiting what it returned.

    Parameters:
        function: what to call.
        value: its argument.
        cancel: await in a cancelled scope, so that nothing has to wait; what
            comes out then is only whether an operation was accepted.
    """
    try:
        result = function(value)
        if not hasattr(result, "__await__"):
            return f"returned {clean(repr(result))}"
        with giambio.CancelScope() as scope:
            if cancel:
                scope.cancel()
            result = await result
        return "accepted" if scope.cancelled_caught else f"awaited {clean(repr(result))}"
    except Exception as exc:
        return describe(exc)


def outcome(function: Callable[..., object], *args: Any) -> str:
    """What a call returned or raised."""
    try:
        return f"returned {clean(repr(function(*args)))}"
    except Exception as exc:
        return describe(exc)


def describe(exc: BaseException) -> str:
    """An exception's type and its message, as far as it is ours to word."""
    if is_pythons_own(exc):
        return type(exc).__name__
    return f"{type(exc).__name__}: {clean(str(exc))}"


def is_pythons_own(exc: BaseException) -> bool:
    """Tell whether Python worded the message, which it does otherwise for C types."""
    return isinstance(exc, (AttributeError, TypeError)) and bool(PYTHONS_OWN.search(str(exc)))


def clean(text: str) -> str:
    """A text without what differs from run to run."""
    return re.sub(r"0x[0-9a-f]+|(?<=port=)\d+", "...", text)


if __name__ == "__main__":
    main()
