from typing import Any

from giambio.files.file_state import FileState, Turns
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation
from giambio.kernel.wait_queue import QueuedOperation

__all__ = ["OpenNow", "Read", "ReadNow", "RingCall", "Turn", "WriteNow"]

class Turn(QueuedOperation):
    def __init__(self, turns: Turns, closing: bool = False) -> None: ...

class OpenNow(Operation[int]):
    def __init__(self, path: bytes, flags: int) -> None: ...

class FileOperation(Operation[Any]): ...

class ReadNow(FileOperation):
    def __init__(self, file: FileState, size: int) -> None: ...

class WriteNow(FileOperation):
    def __init__(self, file: FileState, data: Any, start: int) -> None: ...

class Read(FileOperation):
    def __init__(self, file: FileState, size: int) -> None: ...

class RingCall(Operation[Any]):
    def __init__(
        self, kernel: Kernel, ring: Any, request: Any, name: str, path: Any = None
    ) -> None: ...
    @property
    def what(self) -> str: ...  # type: ignore[override]
