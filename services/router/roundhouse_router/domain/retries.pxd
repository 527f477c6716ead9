cdef class RetryBudget:
    cdef public object _at_least, _retrying, _share
    cdef public long in_flight
    cpdef take(self)
    cpdef release(self)
