cimport cython
from roundhouse_router.api.answers cimport Whole
from roundhouse_router.api.attempts cimport Attempts
from roundhouse_router.api.course cimport Course, course_to
from roundhouse_router.api.flight cimport Flight
from roundhouse_router.api.pipeline cimport Pipeline
from roundhouse_router.api.relay cimport Pump, relay_whole
from roundhouse_router.api.upstreams cimport Upstreams
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.choosing.choice cimport Choice
from roundhouse_router.domain.choosing.chooser cimport Chooser
from roundhouse_router.domain.demand cimport DemandLedger
from roundhouse_router.wire.exchange cimport Exchange
from roundhouse_router.wire.heads cimport Lines
from roundhouse_router.wire.reply cimport Reply
from roundhouse_router.wire.upstream cimport Awaited, Listener, UpstreamConnection

cdef class Shared:
    cdef public Attempts attempts
    cdef public Chooser chooser
    cdef public object comment_s, control_plane, drain_s, first_byte_s, idle_s, now, pipeline
    cdef public DemandLedger ledger
    cdef public Py_ssize_t max_response_bytes
    cdef public dict silent
    cdef public Upstreams upstreams
    cpdef hand_over_late(self)

cdef class FastAnswer(Listener):
    cdef public object _awaited, _error
    cdef public Lines _headers
    cdef public Candidate _candidate
    cdef public Choice _choice
    cdef public UpstreamConnection _connection
    cdef public Exchange _exchange
    cdef public Flight _flight
    cdef public Py_ssize_t _held
    cdef public list _pieces
    cdef public Pump _pump
    cdef public Reply _reply
    cdef public Shared _shared
    cdef public int _stage
    cdef public Course course
    cpdef begin(self)
    @cython.locals(shared=Shared, flight=Flight, choice=Choice, candidate=Candidate, connection=UpstreamConnection, now=cython.double)
    cpdef _begin(self)
    cpdef answered(self, Reply reply)
    cpdef failed(self, error)
    cpdef _answered(self, Reply reply)
    cpdef _gather(self, bytes piece)
    cpdef _gathered(self, error)
    @cython.locals(shared=Shared, flight=Flight)
    cpdef _finish(self, Reply reply, bytes body)
    cpdef _take_beginning(self, bytes piece)
    cpdef _ended_early(self, error)
    cpdef _pass_on(self, Reply reply)
    cpdef _passed(self, error)
    cpdef left(self, reason)
    cpdef _let_go(self)
    cpdef _close(self)
    cpdef _over(self)
