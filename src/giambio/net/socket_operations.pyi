from typing import Any

from giambio.kernel.operation import Operation
from giambio.net.socket_state import SocketState

__all__ = [
    "Accept",
    "Connect",
    "ReceiveInto",
    "Send",
    "SendEof",
    "bytes_like",
    "new_receive",
    "new_send_all",
]

class SocketOperation(Operation[Any]): ...
class Receive(SocketOperation): ...

class ReceiveInto(SocketOperation):
    def __init__(self, sock: SocketState, view: memoryview) -> None: ...

class Accept(SocketOperation):
    def __init__(self, sock: SocketState) -> None: ...

class Send(SocketOperation):
    def __init__(self, sock: SocketState, data: Any) -> None: ...

class SendAll(SocketOperation): ...

class SendEof(SocketOperation):
    def __init__(self, sock: SocketState) -> None: ...

class Connect(SocketOperation):
    def __init__(self, sock: SocketState, address: Any) -> None: ...

def new_receive(sock: SocketState, size: int) -> Operation[bytes]: ...
def new_send_all(sock: SocketState, data: Any) -> Operation[None]: ...
def bytes_like(what: str, data: Any) -> Any: ...
