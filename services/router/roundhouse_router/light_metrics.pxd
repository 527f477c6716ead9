cimport cython

cdef class LightHistogram:
    cdef public tuple _bounds
    cdef public list counts
    cdef public double total
    @cython.locals(place=cython.Py_ssize_t, bound=cython.double)
    cpdef observe(self, double value)
