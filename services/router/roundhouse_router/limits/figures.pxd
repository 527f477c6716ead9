cdef class Tally:
    cdef public long long admitted, refused
