"""giambio: an asynchronous runtime for Python.

Everything a program needs is here; the rooms behind it are private.
"""

from giambio import _build

_build.select()

from giambio._build import build_info
from giambio.cancel import (
    CancelScope,
    current_effective_deadline,
    fail_after,
    fail_at,
    move_on_after,
    move_on_at,
)
from giambio.errors import (
    BrokenResourceError,
    BusyResourceError,
    CancelledError,
    ClosedResourceError,
    GiambioError,
    RunFinishedError,
    TaskCancelled,
    TaskNotFinished,
    WouldBlock,
)
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
from giambio.kernel.runnable import Handle
from giambio.kernel.task import Task, current_task
from giambio.loop import EventLoop, current_loop, run
from giambio.manager import TaskManager, TaskStatus
from giambio.net.readiness import notify_closing, wait_readable, wait_writable
from giambio.net.socket import AsyncSocket, wrap_socket

__all__ = [
    "AsyncSocket",
    "BrokenResourceError",
    "BusyResourceError",
    "CancelScope",
    "CancelledError",
    "Clock",
    "ClosedResourceError",
    "EventLoop",
    "GiambioError",
    "Handle",
    "Hook",
    "RunFinishedError",
    "Task",
    "TaskCancelled",
    "TaskManager",
    "TaskNotFinished",
    "TaskStatus",
    "WouldBlock",
    "build_info",
    "cancel_shielded_checkpoint",
    "checkpoint",
    "checkpoint_if_cancelled",
    "current_effective_deadline",
    "current_loop",
    "current_task",
    "current_time",
    "fail_after",
    "fail_at",
    "move_on_after",
    "move_on_at",
    "notify_closing",
    "run",
    "sleep",
    "sleep_forever",
    "sleep_until",
    "wait_readable",
    "wait_writable",
    "wrap_socket",
]
