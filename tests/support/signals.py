"""Signals whose handlers the system refuses, for once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def handler_refused(number: int) -> Iterator[None]:
    """A block in which installing a handler for this signal fails, and the error is expected."""
    install = signal.signal

    def refuse(other: int, handler: Any) -> Any:
        if other == number:
            raise OSError("the system refuses")
        return install(other, handler)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="the system refuses"):
        patch.setattr(signal, "signal", refuse)
        yield
