from giambio.kernel.wait_queue import QueuedOperation

__all__ = ["ReceivingOperation"]

class ReceivingOperation(QueuedOperation): ...
