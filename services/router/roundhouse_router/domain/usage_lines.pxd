cdef class UsageLine:
    cdef public object counts
    cdef public bint is_alone, is_last

cpdef read_usage(bytes line)
cpdef without_usage(bytes line, model)
cpdef alone(bytes line, model)
