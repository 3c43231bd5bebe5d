from collections.abc import Iterable
from typing import Protocol

from typing_extensions import Buffer

from giambio.kernel.operation import Operation
from giambio.net.socket import AsyncSocket

__all__ = ["receive_fds", "send_fds"]

class _HasFileno(Protocol):
    def fileno(self) -> int: ...

def send_fds(
    sock: AsyncSocket, data: Buffer, fds: Iterable[int | _HasFileno]
) -> Operation[None]: ...
def receive_fds(
    sock: AsyncSocket, max_size: int = 65536, max_fds: int = 253
) -> Operation[tuple[bytes, list[int]]]: ...
