cimport cython

cdef unsigned char _LINE_FEED, _QUOTE

cdef class ChunkFrame:
    cdef public bytes _after, _before
    cdef public Py_ssize_t _size, _tries
    @cython.locals(at=Py_ssize_t, end=Py_ssize_t)
    cpdef learn(self, bytes chunk)
    @cython.locals(at=Py_ssize_t, size=Py_ssize_t, text=bytes)
    cpdef bint fits(self, bytes data, Py_ssize_t begin, Py_ssize_t end)
