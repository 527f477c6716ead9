from roundhouse_router.domain.choosing.standing cimport Standing, Standings
from roundhouse_router.domain.health cimport Condition

cdef class Member:
    cdef public Condition condition
    cdef public object endpoint, endpoint_id
    cdef public bint is_local
    cdef public Standing standing
    cdef public bytes token

cdef class Group:
    cdef public object _last, _last_features, _last_is_local, _region, deployment
    cdef public dict _tiers, by_id
    cdef public tuple members
    cpdef tiers(self, features, is_local_preferred)

cpdef _by_region(members)
