from giambio.combinators.base cimport Collector


cdef class Gathering(Collector):
    pass
