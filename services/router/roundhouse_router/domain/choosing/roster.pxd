from roundhouse_router.domain.choosing.groups cimport Group, Member
from roundhouse_router.domain.choosing.standing cimport Standings

cdef class Roster:
    cdef public dict _groups
    cdef public object _region, health
    cdef public long _turn
    cdef public Standings standings
    cpdef group(self, deployment)
    cpdef take_turn(self)
    cpdef may_eject(self, deployment_id)
    cpdef prune(self, deployment_ids, endpoint_ids)
