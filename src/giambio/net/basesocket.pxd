from giambio.kernel.operation cimport Closed, Immediate, Operation
from giambio.net.endpoint cimport Endpoint


cdef class BaseSocket(Endpoint):
    pass
