from typing import Any

from giambio.kernel.operation import Operation
from giambio.net.endpoint import Endpoint

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
    def __init__(self, sock: Endpoint, view: memoryview) -> None: ...

class Accept(SocketOperation):
    def __init__(self, sock: Endpoint) -> None: ...

class Send(SocketOperation):
    def __init__(self, sock: Endpoint, data: Any) -> None: ...

class SendAll(SocketOperation): ...

class SendEof(SocketOperation):
    def __init__(self, sock: Endpoint) -> None: ...

class Connect(SocketOperation):
    def __init__(self, sock: Endpoint, address: Any) -> None: ...

def new_receive(sock: Endpoint, size: int) -> Operation[bytes]: ...
def new_send_all(sock: Endpoint, data: Any) -> Operation[None]: ...
def bytes_like(what: str, data: Any) -> Any: ...
