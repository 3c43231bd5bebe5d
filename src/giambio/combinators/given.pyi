from giambio.combinators.together import Collector

__all__ = ["Given"]

class Given(Collector): ...
