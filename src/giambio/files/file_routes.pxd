cimport cython


cdef class Counts:
    cdef public long long cached_reads
    cdef public long long cached_others
    cdef public long long ring_reads
    cdef public long long ring_others
    cdef public long long worker_reads
    cdef public long long worker_others
