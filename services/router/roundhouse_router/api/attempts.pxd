from roundhouse_router.api.answers cimport Whole
from roundhouse_router.api.course cimport Course, course_to
from roundhouse_router.api.flight cimport Flight
from roundhouse_router.api.upstreams cimport Upstreams
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.choosing.choice cimport Choice
from roundhouse_router.domain.choosing.chooser cimport Chooser
from roundhouse_router.domain.demand cimport DemandLedger
from roundhouse_router.domain.request cimport ParsedRequest, parse
from roundhouse_router.domain.retries cimport RetryBudget
from roundhouse_router.domain.startup cimport error_told
from roundhouse_router.metrics cimport RouterMetrics

cdef class Attempts:
    cdef public Chooser _chooser
    cdef public object _control_plane, _formats, _ledger, _metrics, _now, _settings, _waiting
    cdef public Upstreams _upstreams
    cdef public RetryBudget budget
    cpdef begin(self)
    cpdef end(self, Flight flight)
    cpdef _found(self, Flight flight)
    cpdef _is_full(self, Flight flight)
    cpdef _may_retry(self, Flight flight)
    cpdef succeeded(self, Flight flight)
    cpdef _is_failure(self, Flight flight, Whole answer)
