"""The threads of the tools, which wake no task: so they are not in a deadlock's way."""

from __future__ import annotations

import os

__all__ = ["own_threads"]

#: Whatever has such a thread, while that lives.
own_threads: set[object] = set()

if hasattr(os, "register_at_fork"):
    # They are not in the child, where each would hide a thread that may wake a task.
    os.register_at_fork(after_in_child=own_threads.clear)
