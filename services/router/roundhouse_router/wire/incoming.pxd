cdef class Incoming:
    cdef public object _awaited, _failure, _waiter, announced
    cdef public list _pieces
    cdef public Py_ssize_t _quiet_to, held, size
    cdef public bint is_complete, is_discarded
    cpdef lacks(self, size)
    cpdef feed(self, pieces)
    cpdef complete(self)
    cpdef fail(self, error)
    cpdef discard(self)
    cpdef take(self, limit)
    cpdef _wake(self)

cpdef too_large(limit)
