cimport cython

cdef Py_ssize_t _LEAST

cdef class ChunkFrame:
    cdef public bytes _after, _before
    cdef public Py_ssize_t _size, _tries
    @cython.locals(at=Py_ssize_t, end=Py_ssize_t)
    cpdef learn(self, bytes chunk)
    @cython.locals(at=Py_ssize_t, size=Py_ssize_t, text=bytes)
    cpdef bint fits(self, bytes chunk)
