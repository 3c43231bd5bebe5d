from typing import Any

from giambio.files.openfile import OpenFile, Turns
from giambio.kernel.kernel import Kernel
from giambio.kernel.line import Waiting
from giambio.kernel.operation import Operation

__all__ = ["OpenNow", "Read", "ReadNow", "RingCall", "Turn", "WriteNow"]

class Turn(Waiting):
    def __init__(self, turns: Turns, closing: bool = False) -> None: ...

class OpenNow(Operation[int]):
    def __init__(self, path: bytes, flags: int) -> None: ...

class FileOperation(Operation[Any]): ...

class ReadNow(FileOperation):
    def __init__(self, file: OpenFile, size: int) -> None: ...

class WriteNow(FileOperation):
    def __init__(self, file: OpenFile, data: Any, start: int) -> None: ...

class Read(FileOperation):
    def __init__(self, file: OpenFile, size: int) -> None: ...

class RingCall(Operation[Any]):
    def __init__(
        self, kernel: Kernel, ring: Any, request: Any, name: str, path: Any = None
    ) -> None: ...
    @property
    def what(self) -> str: ...  # type: ignore[override]
