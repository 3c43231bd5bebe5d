from giambio.kernel cimport current
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation
from giambio.net cimport socket_operations, syscalls
from giambio.net.basesocket cimport BaseSocket


cdef class AsyncSocket(BaseSocket):
    pass
