cdef class RequestFacts:
    cdef public object features, headers, key, prompt, user
