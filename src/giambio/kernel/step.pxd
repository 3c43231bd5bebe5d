from giambio.kernel.basetask cimport BaseTask

cdef object PARK

cdef int step(BaseTask task) except -1
