cdef class RequestFacts:
    cdef public object features, headers, key, prompt, user

cdef class Resolution:
    cdef public object balancing, key, model, named, route, route_id
    cdef public bint is_bounded, is_plain
    cdef public dict kept
    cdef public tuple targets
    cpdef matching(self, RequestFacts facts)
    cpdef _sender(self, RequestFacts facts)
    cpdef _point(self, target, who)
