"""asyncio and giambio in one program: asyncio's libraries in giambio's tasks, and the other way.

While asyncio is imported, each run of giambio has an asyncio loop (`hosted_loop`) on the same
kernel: what is made for asyncio can be awaited in every task, with nothing to configure. What
`asyncio.create_task` makes is a task of giambio's too, and looks like an `asyncio.Task`
(`task_facade`), so giambio's own functions work in there.

Nothing else of giambio imports asyncio, which would double the time that importing giambio takes.
"""

from __future__ import annotations

from giambio.asyncio.event_loop import EventLoop, new_event_loop, run
from giambio.asyncio.policy import EventLoopPolicy, install

__all__ = ["EventLoop", "EventLoopPolicy", "install", "new_event_loop", "run"]
