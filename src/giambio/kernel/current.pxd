cpdef object get()
cpdef object swap(object kernel)
