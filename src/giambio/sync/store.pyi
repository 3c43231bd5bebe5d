from giambio.channels.ends import Closeable

__all__ = ["Store"]

class Store(Closeable):
    called: str
