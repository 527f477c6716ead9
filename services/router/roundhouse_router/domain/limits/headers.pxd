cimport cython

cdef class GrantHeaders:
    cdef public bytes _after, _before
    @cython.locals(shown=str)
    cpdef bytes lines(self, long long remaining)

cpdef pairs_of(bytes lines)
cpdef duration(milliseconds)
cpdef _fixed(bytes kind, rule)
cpdef rate_limit_headers(bytes kind, rule, used)
