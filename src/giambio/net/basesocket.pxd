from giambio.kernel.operation cimport Closed, Immediate, Operation
from giambio.net.socket_state cimport SocketState


cdef class BaseSocket(SocketState):
    pass
