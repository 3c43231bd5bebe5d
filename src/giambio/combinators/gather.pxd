from giambio.combinators.base cimport Collector, Together
