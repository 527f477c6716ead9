cdef class LightHistogram:
    cdef public tuple _bounds
    cdef public list counts
    cdef public double total
    cpdef observe(self, double value)
