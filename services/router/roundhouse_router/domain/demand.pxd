cdef class Tally:
    cdef public long held, in_flight, started, told_started, ttft_count
    cdef public double ttft_sum_s

cdef class DemandLedger:
    cdef public dict _tallies
    cpdef of(self, deployment_id)
    cpdef held(self)
    cpdef tell(self)
