from roundhouse_router.api.course cimport Course

cdef class Whole:
    cdef public object headers
    cdef public bytes body
    cdef public int status
    cdef public Course course
