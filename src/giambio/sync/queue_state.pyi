from giambio.channels.closing import Closeable

__all__ = ["QueueState"]

class QueueState(Closeable):
    called: str
