from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation
from giambio.net cimport operations, transfer
from giambio.net.basesocket cimport BaseSocket


cdef class AsyncSocket(BaseSocket):
    cdef object _accepted(self, object connection)
