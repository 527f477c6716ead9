from roundhouse_router.api.course cimport Course

cdef class Whole:
    cdef public object body, headers, status
    cdef public Course course
