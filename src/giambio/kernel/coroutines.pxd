from giambio.kernel cimport constants, introspect
from giambio.kernel.trap cimport Trap

cpdef object to_coroutine(str what, object target, tuple args, dict keywords)
cpdef object as_coroutine(str what, object awaitable, object origin)
cdef bint stands_alone(Trap operation, object origin) except -1
