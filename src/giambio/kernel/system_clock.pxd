cpdef double system_time() except? -1
