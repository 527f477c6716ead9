from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.choosing.groups cimport Group, Member
from roundhouse_router.domain.targets cimport RequestFacts

cdef class Picker:
    cdef public object _draw, _prefix_entries, _prefixes, _weights
    cpdef pick(self, pool, Group group, route, RequestFacts facts, prefix)
    cpdef prefixes_of(self, deployment_id)
    cpdef learn(self, Candidate candidate)
    cpdef prune(self, deployments, endpoint_ids)
