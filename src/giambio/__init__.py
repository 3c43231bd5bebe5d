"""giambio: an asynchronous runtime for Python.

Everything a program needs is here; the rooms behind it are private.
"""

import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING

from giambio._build import selection as _selection

_selection.select()

from giambio.errors import (
    BrokenResourceError,
    BrokenWorkerInterpreter,
    BrokenWorkerProcess,
    BusyResourceError,
    CancelledError,
    ClosedResourceError,
    DeadlockError,
    DelimiterNotFound,
    EndOfStream,
    GiambioError,
    IncompleteRead,
    RemoteError,
    RestartLimitExceeded,
    RunFinishedError,
    TaskCancelled,
    TaskNotFinished,
    WorkerLost,
    WouldBlock,
)
from giambio.integrations import finder as _finder
from giambio.kernel.callbacks import Handle
from giambio.kernel.checkpoints import (
    cancel_shielded_checkpoint,
    checkpoint,
    checkpoint_if_cancelled,
    current_time,
    sleep,
    sleep_forever,
    sleep_until,
)
from giambio.kernel.clock import Clock
from giambio.kernel.hooks import Hook
from giambio.kernel.task import Task, current_task
from giambio.runtime.loop import EventLoop, current_loop, run, running_loops
from giambio.tasks.cancel import CancelScope
from giambio.tasks.manager import TaskManager
from giambio.tasks.stopping import cancel_on_stop, stopping, wait_stopping
from giambio.tasks.task_status import TaskStatus
from giambio.tasks.timeouts import (
    current_effective_deadline,
    fail_after,
    fail_at,
    move_on_after,
    move_on_at,
)

if _TYPE_CHECKING:
    from giambio._build.info import build_info
    from giambio.channels.broadcast import Broadcast, Subscription
    from giambio.channels.broadcast_state import BroadcastStatistics
    from giambio.channels.channel import ReceiveChannel, SendChannel, open_channel
    from giambio.channels.channel_state import ChannelStatistics
    from giambio.channels.watch import Watch, Watcher, WatchStatistics
    from giambio.cluster.manager import ClusterManager
    from giambio.combinators.as_completed import as_completed
    from giambio.combinators.gather import gather
    from giambio.combinators.map_concurrent import map_concurrent
    from giambio.combinators.race import race
    from giambio.combinators.safe_channel import as_safe_channel
    from giambio.files.async_file import AsyncFile
    from giambio.files.file_routes import FileRoute
    from giambio.files.open import open_file, wrap_file
    from giambio.files.path import Path
    from giambio.files.send_file import send_file
    from giambio.files.standard_streams import stderr, stdin, stdout
    from giambio.files.temporary import (
        NamedTemporaryFile,
        SpooledTemporaryFile,
        TemporaryDirectory,
        TemporaryFile,
    )
    from giambio.inspect.metrics import LoopMetrics, metrics
    from giambio.inspect.task_tree import FrameInfo, TaskInfo, format_task_tree, task_tree
    from giambio.inspect.tracer import Tracer
    from giambio.interpreters.to_interpreter import (
        current_default_interpreter_limiter,
        to_interpreter,
    )
    from giambio.kernel.external_wakeups import external_wakeups
    from giambio.monitor.start import start_monitor
    from giambio.net.datagrams import AsyncDatagramSocket, wrap_datagram_socket
    from giambio.net.fd_passing import receive_fds, send_fds
    from giambio.net.lingering import lingering_close
    from giambio.net.listeners import SocketListener, open_tcp_listeners
    from giambio.net.resolver import Resolver, getaddrinfo, getnameinfo, set_resolver
    from giambio.net.serving import serve_listeners, serve_tcp
    from giambio.net.socket import AsyncSocket, wrap_socket
    from giambio.net.tcp import connect_tcp
    from giambio.net.tls.start_tls import start_tls
    from giambio.net.tls.stream import TLSStream
    from giambio.net.udp import connect_udp, open_udp
    from giambio.net.unix import connect_unix, open_unix_listener, serve_unix, socketpair
    from giambio.net.wait_fd import notify_closing, wait_readable, wait_writable
    from giambio.pacing.interval import interval
    from giambio.pacing.rate_limiter import RateLimiter
    from giambio.pacing.retry import retry
    from giambio.portal.blocking_portal import BlockingPortal
    from giambio.portal.loop_thread import start_blocking_portal
    from giambio.processes.process import Process, open_process
    from giambio.processes.run import run_process
    from giambio.processes.to_process import current_default_process_limiter, to_process
    from giambio.runtime.run_var import RunVar
    from giambio.runtime.runner import Runner
    from giambio.signals import open_signal_receiver
    from giambio.streams.abc import ByteStream, Listener, ReceiveStream, SendStream
    from giambio.streams.buffered import BufferedStream
    from giambio.streams.memory import memory_stream_one_way_pair, memory_stream_pair
    from giambio.streams.stapled import StapledStream
    from giambio.streams.text import TextStream
    from giambio.supervision.backoff import Backoff
    from giambio.supervision.supervisor import Supervisor
    from giambio.sync.barrier import Barrier, BarrierStatistics
    from giambio.sync.condition import Condition, ConditionStatistics
    from giambio.sync.event import Event, EventStatistics
    from giambio.sync.limiter import CapacityLimiter, CapacityLimiterStatistics
    from giambio.sync.lock import Lock, LockStatistics
    from giambio.sync.queue import LifoQueue, PriorityQueue, Queue, QueueStatistics
    from giambio.sync.semaphore import Semaphore, SemaphoreStatistics
    from giambio.threads.from_thread import from_thread
    from giambio.threads.to_thread import current_default_thread_limiter, to_thread
    from giambio.threads.worker_thread import WorkerThread
    from giambio.workers.handed_over import inherited_listeners
    from giambio.workers.run_workers import run_workers

#: Loaded when it is first used, so that a program pays for what it needs: module, and its names.
_LAZY = {
    "giambio._build.info": "build_info",
    "giambio.channels.broadcast": "Broadcast Subscription",
    "giambio.channels.broadcast_state": "BroadcastStatistics",
    "giambio.channels.channel": "ReceiveChannel SendChannel open_channel",
    "giambio.channels.channel_state": "ChannelStatistics",
    "giambio.channels.watch": "Watch Watcher WatchStatistics",
    "giambio.cluster.manager": "ClusterManager",
    "giambio.combinators.as_completed": "as_completed",
    "giambio.combinators.gather": "gather",
    "giambio.combinators.map_concurrent": "map_concurrent",
    "giambio.combinators.race": "race",
    "giambio.combinators.safe_channel": "as_safe_channel",
    "giambio.files.async_file": "AsyncFile",
    "giambio.files.file_routes": "FileRoute",
    "giambio.files.open": "open_file wrap_file",
    "giambio.files.path": "Path",
    "giambio.files.send_file": "send_file",
    "giambio.files.standard_streams": "stderr stdin stdout",
    "giambio.files.temporary": (
        "NamedTemporaryFile SpooledTemporaryFile TemporaryDirectory TemporaryFile"
    ),
    "giambio.inspect.metrics": "LoopMetrics metrics",
    "giambio.inspect.task_tree": "FrameInfo TaskInfo format_task_tree task_tree",
    "giambio.inspect.tracer": "Tracer",
    "giambio.interpreters.to_interpreter": "current_default_interpreter_limiter to_interpreter",
    "giambio.kernel.external_wakeups": "external_wakeups",
    "giambio.monitor.start": "start_monitor",
    "giambio.net.datagrams": "AsyncDatagramSocket wrap_datagram_socket",
    "giambio.net.fd_passing": "receive_fds send_fds",
    "giambio.net.lingering": "lingering_close",
    "giambio.net.listeners": "SocketListener open_tcp_listeners",
    "giambio.net.resolver": "Resolver getaddrinfo getnameinfo set_resolver",
    "giambio.net.serving": "serve_listeners serve_tcp",
    "giambio.net.socket": "AsyncSocket wrap_socket",
    "giambio.net.tcp": "connect_tcp",
    "giambio.net.tls.start_tls": "start_tls",
    "giambio.net.tls.stream": "TLSStream",
    "giambio.net.udp": "connect_udp open_udp",
    "giambio.net.unix": "connect_unix open_unix_listener serve_unix socketpair",
    "giambio.net.wait_fd": "notify_closing wait_readable wait_writable",
    "giambio.pacing.interval": "interval",
    "giambio.pacing.rate_limiter": "RateLimiter",
    "giambio.pacing.retry": "retry",
    "giambio.portal.blocking_portal": "BlockingPortal",
    "giambio.portal.loop_thread": "start_blocking_portal",
    "giambio.processes.process": "Process open_process",
    "giambio.processes.run": "run_process",
    "giambio.processes.to_process": "current_default_process_limiter to_process",
    "giambio.runtime.run_var": "RunVar",
    "giambio.runtime.runner": "Runner",
    "giambio.signals": "open_signal_receiver",
    "giambio.streams.abc": "ByteStream Listener ReceiveStream SendStream",
    "giambio.streams.buffered": "BufferedStream",
    "giambio.streams.memory": "memory_stream_one_way_pair memory_stream_pair",
    "giambio.streams.stapled": "StapledStream",
    "giambio.streams.text": "TextStream",
    "giambio.supervision.backoff": "Backoff",
    "giambio.supervision.supervisor": "Supervisor",
    "giambio.sync.barrier": "Barrier BarrierStatistics",
    "giambio.sync.condition": "Condition ConditionStatistics",
    "giambio.sync.event": "Event EventStatistics",
    "giambio.sync.limiter": "CapacityLimiter CapacityLimiterStatistics",
    "giambio.sync.lock": "Lock LockStatistics",
    "giambio.sync.queue": "LifoQueue PriorityQueue Queue QueueStatistics",
    "giambio.sync.semaphore": "Semaphore SemaphoreStatistics",
    "giambio.threads.from_thread": "from_thread",
    "giambio.threads.to_thread": "current_default_thread_limiter to_thread",
    "giambio.threads.worker_thread": "WorkerThread",
    "giambio.workers.handed_over": "inherited_listeners",
    "giambio.workers.run_workers": "run_workers",
}
_ROOMS = {name: room for room, names in _LAZY.items() for name in names.split()}

#: What people look for who come from asyncio, AnyIO or Trio, and the names that it has here.
_ELSEWHERE = {
    "TaskGroup": "TaskManager",
    "create_memory_object_stream": "open_channel",
    "create_task": "TaskManager.spawn",
    "create_task_group": "TaskManager",
    "create_tcp_listener": "open_tcp_listeners",
    "get_running_loop": "current_loop",
    "open_connection": "connect_tcp",
    "open_memory_channel": "open_channel",
    "open_nursery": "TaskManager",
    "open_tcp_stream": "connect_tcp",
    "start_server": "serve_tcp",
    "timeout": "fail_after",
    "wait_for": "fail_after",
}

_finder.install()


def __getattr__(name: str) -> object:
    room = _ROOMS.get(name)
    if room is None:
        ours = _ELSEWHERE.get(name)
        hint = "" if ours is None else f"; what it does elsewhere, giambio.{ours} does"
        module = _sys.modules[__name__]  # for Python's own suggestions
        raise AttributeError(
            f"module 'giambio' has no attribute {name!r}{hint}", name=name, obj=module
        )
    from importlib import import_module

    value = globals()[name] = getattr(import_module(room), name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


__all__ = [
    "AsyncDatagramSocket",
    "AsyncFile",
    "AsyncSocket",
    "Backoff",
    "Barrier",
    "BarrierStatistics",
    "BlockingPortal",
    "Broadcast",
    "BroadcastStatistics",
    "BrokenResourceError",
    "BrokenWorkerInterpreter",
    "BrokenWorkerProcess",
    "BufferedStream",
    "BusyResourceError",
    "ByteStream",
    "CancelScope",
    "CancelledError",
    "CapacityLimiter",
    "CapacityLimiterStatistics",
    "ChannelStatistics",
    "Clock",
    "ClosedResourceError",
    "ClusterManager",
    "Condition",
    "ConditionStatistics",
    "DeadlockError",
    "DelimiterNotFound",
    "EndOfStream",
    "Event",
    "EventLoop",
    "EventStatistics",
    "FileRoute",
    "FrameInfo",
    "GiambioError",
    "Handle",
    "Hook",
    "IncompleteRead",
    "LifoQueue",
    "Listener",
    "Lock",
    "LockStatistics",
    "LoopMetrics",
    "NamedTemporaryFile",
    "Path",
    "PriorityQueue",
    "Process",
    "Queue",
    "QueueStatistics",
    "RateLimiter",
    "ReceiveChannel",
    "ReceiveStream",
    "RemoteError",
    "Resolver",
    "RestartLimitExceeded",
    "RunFinishedError",
    "RunVar",
    "Runner",
    "Semaphore",
    "SemaphoreStatistics",
    "SendChannel",
    "SendStream",
    "SocketListener",
    "SpooledTemporaryFile",
    "StapledStream",
    "Subscription",
    "Supervisor",
    "TLSStream",
    "Task",
    "TaskCancelled",
    "TaskInfo",
    "TaskManager",
    "TaskNotFinished",
    "TaskStatus",
    "TemporaryDirectory",
    "TemporaryFile",
    "TextStream",
    "Tracer",
    "Watch",
    "WatchStatistics",
    "Watcher",
    "WorkerLost",
    "WorkerThread",
    "WouldBlock",
    "as_completed",
    "as_safe_channel",
    "build_info",
    "cancel_on_stop",
    "cancel_shielded_checkpoint",
    "checkpoint",
    "checkpoint_if_cancelled",
    "connect_tcp",
    "connect_udp",
    "connect_unix",
    "current_default_interpreter_limiter",
    "current_default_process_limiter",
    "current_default_thread_limiter",
    "current_effective_deadline",
    "current_loop",
    "current_task",
    "current_time",
    "external_wakeups",
    "fail_after",
    "fail_at",
    "format_task_tree",
    "from_thread",
    "gather",
    "getaddrinfo",
    "getnameinfo",
    "inherited_listeners",
    "interval",
    "lingering_close",
    "map_concurrent",
    "memory_stream_one_way_pair",
    "memory_stream_pair",
    "metrics",
    "move_on_after",
    "move_on_at",
    "notify_closing",
    "open_channel",
    "open_file",
    "open_process",
    "open_signal_receiver",
    "open_tcp_listeners",
    "open_udp",
    "open_unix_listener",
    "race",
    "receive_fds",
    "retry",
    "run",
    "run_process",
    "run_workers",
    "running_loops",
    "send_fds",
    "send_file",
    "serve_listeners",
    "serve_tcp",
    "serve_unix",
    "set_resolver",
    "sleep",
    "sleep_forever",
    "sleep_until",
    "socketpair",
    "start_blocking_portal",
    "start_monitor",
    "start_tls",
    "stderr",
    "stdin",
    "stdout",
    "stopping",
    "task_tree",
    "to_interpreter",
    "to_process",
    "to_thread",
    "wait_readable",
    "wait_stopping",
    "wait_writable",
    "wrap_datagram_socket",
    "wrap_file",
    "wrap_socket",
]

if _selection.is_set("GIAMBIO_MONITOR"):
    from giambio.monitor.start import from_environment as _from_environment

    _from_environment()
