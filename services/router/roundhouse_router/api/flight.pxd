cimport cython
from roundhouse_router.api.alike cimport Alike, alike_of
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.choosing.chooser cimport Chooser
from roundhouse_router.domain.limits.estimates cimport estimate_input
from roundhouse_router.domain.request cimport ParsedRequest
from roundhouse_router.domain.targets cimport RequestFacts
from roundhouse_router.metrics cimport RouterMetrics, Series
from roundhouse_router.store.frames cimport AdmissionFrame, RecordFrame
from roundhouse_router.store.segments cimport encode_admission, encode_record
from roundhouse_router.store.spool cimport Spool

cdef class Flight:
    cdef public object _admitted_at, _asked, _first_token_at, _sequence, _services, _tally, attempts
    cdef public object continuations, counts, error_code, grant, http_status, interface, key, outcome, priority
    cdef public object request_id, resolution, reuse, source, status_sent, watch
    cdef public Alike _alike
    cdef public double _asked_at, _received, queued_s
    cdef public bint _is_asking, is_retrying, is_settled, is_trying
    cdef public Candidate candidate
    cdef public RequestFacts facts
    cdef public ParsedRequest request
    cpdef first_token(self)
    cpdef know(self, counts, source)
    cpdef counts_for(self, tally)
    cpdef asks_upstream(self, tally)
    cpdef tries(self, Candidate candidate)
    cpdef settle(self, outcome, status, error_code=*)
    @cython.locals(candidate=Candidate)
    cpdef _series(self, RecordFrame frame)
    cpdef _admission_line(self)
    cpdef _admission(self)
    cpdef _record_line(self, RecordFrame frame, double duration_s, first_token_s, counts)
    cpdef _is_plain(self, counts)
    cpdef _frame(self)
    cpdef _keep_frame(self, record)
    cpdef _bill(self)
    cpdef _record(self, now, double duration_s, first_token_s, counts)
