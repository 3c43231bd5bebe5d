"""Holding loops up while another thread reads what they write, where threads do not take turns.

With the GIL nothing is needed: whatever is read once is whole. Without, to read a field of a
compiled object while its loop sets it may find memory that was freed in between. So the loop is
asked to stand still, in a callback. One that is stuck in a step does not come there; but then
little of it moves, and it is when somebody wants to look at it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from giambio.errors import RunFinishedError
from giambio.kernel.kernel import Kernel

__all__ = ["standing_still"]

#: For how many seconds loops that do not come are waited for.
PATIENCE = 1.0


class Gate:
    """A callback that holds its loop until it is opened."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.opened = threading.Event()

    def hold(self) -> None:
        """Wait; in the loop's thread."""
        self.arrived.set()
        self.opened.wait()


def threads_take_turns() -> bool:
    """Return whether there is a GIL."""
    is_enabled = getattr(sys, "_is_gil_enabled", None)
    return is_enabled is None or is_enabled()


@contextmanager
def standing_still(loops: Iterable[Kernel]) -> Iterator[None]:
    """Let loops of other threads do nothing in the block, if that is needed to read them."""
    gates: list[Gate] = []
    try:
        if not threads_take_turns():
            for loop in loops:
                close_gate(loop, gates)
            until = time.monotonic() + PATIENCE
            for gate in gates:
                gate.arrived.wait(max(0.0, until - time.monotonic()))
        yield
    finally:
        for gate in gates:
            gate.opened.set()


def close_gate(loop: Kernel, gates: list[Gate]) -> None:
    """Have a loop come to a gate, unless it is this thread's own, or has ended."""
    if loop._thread not in (0, threading.get_ident()):
        gate = Gate()
        with suppress(RunFinishedError):
            loop.call_soon_threadsafe(gate.hold)
            gates.append(gate)
