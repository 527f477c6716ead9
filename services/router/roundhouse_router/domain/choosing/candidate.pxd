from roundhouse_router.domain.choosing.standing cimport Standing

cdef class Candidate:
    cdef public object deployment, endpoint, model, prefix, provider, target
    cdef public bint is_probe
    cdef public bytes salt
    cdef public double sent_at
    cdef public Standing standing
