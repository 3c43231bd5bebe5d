"""The awaitable request to io_uring; compiled, because it is an operation.

Requests cannot be withdrawn at once. A cancelled task asks the system to cancel its request,
and waits for the answer, which may be that the request has completed.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from giambio.drivers import nowait
from giambio.drivers.uring import Request, Ring
from giambio.kernel import constants
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation

__all__ = ["RingCall"]

#: Results of requests that were cancelled, or interrupted and have to be repeated.
CANCELLED = (errno.ECANCELED, errno.EINTR)


class RingCall(Operation):
    """Submits a request to io_uring; its result is that of the operation."""

    __slots__ = ("_asked", "_name", "_path", "_request", "_ring", "_waits")

    def __init__(
        self, kernel: Kernel, ring: Ring, request: Request, name: str, path: Any = None
    ) -> None:
        self.prepare(kernel)
        self._ring: Any = ring
        self._request: Any = request
        self._name = name
        # The file's name, for errors.
        self._path = path
        # Whether its cancellation was requested, and whether it counts as in flight.
        self._asked = False
        self._waits = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """Name of the operation in messages."""
        return self._name

    def advance(self) -> bool:
        """See `Operation.advance`; a completed request may have failed."""
        if self.state == constants.GRANTED:
            return self._settle()
        return Operation.advance(self)

    def attempt(self) -> bool:
        """Submit the request, or take its result if the cancellation was withdrawn."""
        request = self._request
        if request.under_way:
            return False
        while not request.done or -request.outcome in CANCELLED:
            self._asked = False
            try:
                self._ring.submit(request, self)
            except OSError as exc:
                return self.fail(exc)
            if request.under_way:
                self._count(True)
                return False
        return self._settle()

    def _settle(self) -> bool:
        request = self._request
        if request.outcome >= 0:
            if not request.opens:  # else it is no number of bytes
                self.spend(request.outcome >> nowait.LARGE_SHIFT)
            self.result = request.value()
            self.state = constants.DONE
            return True
        number = -request.outcome
        text = os.strerror(number)
        error = OSError(number, text) if self._path is None else OSError(number, text, self._path)
        return self.fail(error)

    def _ready(self) -> None:
        """The request has completed; called by the ring."""
        self._count(False)
        if -self._request.outcome in CANCELLED:
            Operation._ready(self)
        else:  # it succeeded, even if its cancellation was requested
            self.grant(None)

    def _count(self, waits: bool) -> None:
        """Tell the kernel whether the request is in flight."""
        kernel = self.kernel
        if kernel is not None and waits != self._waits:
            self._waits = waits
            kernel._idle.in_flight += 1 if waits else -1

    def abort(self) -> bool:
        """Request the cancellation; its completion will tell the outcome."""
        if not self._request.under_way:
            return True
        if not self._asked:
            self._asked = True
            self._ring.cancel(self._request)
        return False

    def withdraw(self) -> None:
        """See `Operation.withdraw`: abandon a request that may be under way."""
        if self.state != constants.DONE:
            self.state = constants.DONE
            self._count(False)
            self._request.abandon()
            self._ring.cancel(self._request)
