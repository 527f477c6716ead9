cdef class DemandLedger:
    cdef public dict _tallies
    cpdef of(self, deployment_id)
    cpdef held(self)
    cpdef tell(self)
