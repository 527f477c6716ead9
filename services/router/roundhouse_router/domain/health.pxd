cdef class Condition:
    cdef public long _ejections, _failures, _passed, answered, failed, probes
    cdef public double _failed_at, _readmitted_at, busy_until, ejected_until, heard_until, resting_until
    cdef public double succeeded_at
    cdef public object _options, why
    cdef public bint is_ejected, is_troubled
    cpdef level(self, double now)
    cpdef succeed(self, double now, double sent_at, bint is_probe)
    cpdef leave_alone(self, double now, double seconds)
    cpdef eject(self, double now)
    cpdef hear(self, double until)
