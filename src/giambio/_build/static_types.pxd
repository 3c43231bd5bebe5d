cpdef object seal(object cls, str signature)
