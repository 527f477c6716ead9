from roundhouse_router.domain.health cimport Condition

cdef class Standing:
    cdef public Condition condition
    cdef public object endpoint_id
    cdef public long in_flight, others, turn, waiting
    cdef public double ttft_s, waiting_at
    cpdef took(self, double first_token_s)

cdef class Standings:
    cdef public dict _known
    cdef public object _options, _told
    cpdef get(self, endpoint_id)
    cpdef others_have(self, router_id, in_flight)
    cpdef prune(self, known)
    cpdef forget_queues(self, double before)
    cpdef waiting(self, told, double now)
