from roundhouse_router.domain.choosing.groups cimport Group, Member

cdef class Picker:
    cdef public object _draw, _prefix_entries, _prefixes, _weights
    cpdef pick(self, pool, Group group, route, facts, prefix)
    cpdef prefixes_of(self, deployment_id)
    cpdef learn(self, candidate)
    cpdef prune(self, deployments, endpoint_ids)
