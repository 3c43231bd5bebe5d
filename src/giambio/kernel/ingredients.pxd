cpdef object copy_context()
cpdef bint makes_coroutines(object function) noexcept
cpdef bint was_started(object coro) except -1
