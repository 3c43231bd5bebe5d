cpdef enum:
    READING = 1
    WRITING = 2
