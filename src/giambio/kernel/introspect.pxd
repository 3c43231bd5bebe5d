cpdef object copy_context()
cpdef bint makes_coroutines(object function) noexcept
cpdef bint is_compiled(object function) noexcept
cpdef bint is_awaitable(object value) except -1
cpdef bint was_started(object coro) except -1
