cimport cython
from roundhouse_router.api.alike cimport Alike, alike_of
from roundhouse_router.api.interface cimport Interface
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.choosing.chooser cimport Chooser
from roundhouse_router.domain.demand cimport Tally
from roundhouse_router.domain.limits.estimates cimport estimate_input
from roundhouse_router.domain.request cimport ParsedRequest
from roundhouse_router.domain.targets cimport RequestFacts, Resolution
from roundhouse_router.domain.tokens cimport sums
from roundhouse_router.metrics cimport RouterMetrics, Series
from roundhouse_router.store.frames cimport AdmissionFrame, RecordFrame, opening
from roundhouse_router.store.segments cimport encode_admission, encode_record
from roundhouse_router.store.spool cimport Spool

cdef class FlightServices:
    cdef public Chooser chooser
    cdef public object freed, monotonic, now
    cdef public RouterMetrics metrics
    cdef public Spool spool

cdef class Flight:
    cdef public Resolution _asked
    cdef public object _first_token_at, counts, error_code, grant, key, outcome, priority
    cdef public object request_id, reuse, source, watch
    cdef public Interface interface
    cdef public Resolution resolution
    cdef public FlightServices _services
    cdef public Tally _tally
    cdef public Alike _alike
    cdef public str _opening
    cdef public double _admitted_at, _asked_at, _received, queued_s
    cdef public long long _sequence
    cdef public int attempts, continuations, http_status, status_sent
    cdef public bint _is_asking, is_retrying, is_settled, is_trying
    cdef public Candidate candidate
    cdef public RequestFacts facts
    cdef public ParsedRequest request
    cpdef first_token(self)
    cpdef know(self, counts, source)
    cpdef counts_for(self, Tally tally)
    cpdef asks_upstream(self, Tally tally)
    @cython.locals(services=FlightServices, now=cython.double)
    cpdef tries(self, Candidate candidate)
    @cython.locals(services=FlightServices, now=cython.double)
    cpdef tried(self, Candidate candidate, verdict, why=*, double retry_after_s=*)
    @cython.locals(services=FlightServices, duration_s=cython.double, series=Series)
    cpdef settle(self, outcome, int status, error_code=*)
    @cython.locals(candidate=Candidate)
    cpdef _series(self, RecordFrame frame)
    cpdef _admission_line(self)
    cpdef _admission(self)
    cpdef _record_line(self, RecordFrame frame, double duration_s, first_token_s, counts)
    cpdef _is_plain(self)
    cpdef _frame(self)
    cpdef _keep_frame(self, record)
    cpdef _bill(self)
    cpdef _record(self, now, double duration_s, first_token_s, counts)
