cdef class GrantHeaders:
    cdef public object _limit, _name, _reset
    cpdef of(self, remaining)

cpdef duration(milliseconds)
cpdef _fixed(bytes kind, rule)
cpdef rate_limit_headers(bytes kind, rule, used)
