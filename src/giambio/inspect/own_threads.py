"""The threads of the tools, which wake no task: so they are not in a deadlock's way."""

from __future__ import annotations

__all__ = ["own_threads"]

#: Whatever has such a thread, while that lives.
own_threads: set[object] = set()
