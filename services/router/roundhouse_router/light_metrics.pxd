cimport cython

cdef class LightCounter:
    cdef public double total
    cpdef add(self, double number=*)

cdef class LightHistogram:
    cdef public tuple _bounds
    cdef public list counts
    cdef public double total
    @cython.locals(place=cython.Py_ssize_t, bound=cython.double)
    cpdef observe(self, double value)
