from roundhouse_router.api.course cimport Course

cdef class Whole:
    cdef public object headers
    cdef public bytes body
    cdef public int status
    cdef public Course course

cdef class Live:
    cdef public object reader, reply
    cdef public list first
    cdef public Course course
