from giambio.combinators.base cimport Together
from giambio.combinators.bounded cimport BoundedCollector
