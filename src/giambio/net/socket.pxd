from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Immediate, Operation
from giambio.net cimport operations, transfer
from giambio.net.endpoint cimport Endpoint


cdef class AsyncSocket(Endpoint):
    cdef object _accepted(self, object connection)
