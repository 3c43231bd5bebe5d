from giambio.combinators.base import Collector

__all__ = ["Given"]

class Given(Collector): ...
