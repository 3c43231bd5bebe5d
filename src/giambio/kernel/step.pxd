from giambio.kernel.run_queue cimport BaseTask

cdef object PARK

cdef int step(BaseTask task) except -1
