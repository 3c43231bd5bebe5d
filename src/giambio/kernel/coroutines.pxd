from giambio.kernel cimport ingredients

cpdef object to_coroutine(str what, object target, tuple args, dict keywords=*)
cpdef object as_coroutine(str what, object awaitable, object origin)
cpdef bint is_awaitable(object value) except -1
