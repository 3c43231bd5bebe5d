from giambio.drivers.source cimport Source, Waiter


cdef class Driver:
    cpdef object arm(self, Source source, int direction)
    cpdef object forget(self, Source source)
    cpdef bint watch(self, int fd, int direction, Waiter waiter) except *
    cpdef object unwatch(self, int fd, int direction)
    cpdef Waiter watcher(self, int fd, int direction)
    cpdef object wait(self, double timeout)
    cpdef object deliver(self)
    cpdef object close(self, bint forked=*)
