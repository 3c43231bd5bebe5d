from giambio.kernel.line import Waiting

__all__ = ["Taking"]

class Taking(Waiting): ...
