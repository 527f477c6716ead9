cimport cython
from roundhouse_router.api.answers cimport Live, Whole
from roundhouse_router.api.early cimport stream_headers
from roundhouse_router.api.flight cimport Flight
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.stream cimport StreamScanner
from roundhouse_router.wire.exchange cimport Exchange
from roundhouse_router.wire.heads cimport extended
from roundhouse_router.wire.reply cimport ChunkSink

cdef class Pump(ChunkSink):
    cdef public Candidate _asked
    cdef public Live _live
    cdef public object _exchange, _reader, _sequel, _verdict, _why
    cdef public Exchange _client
    cdef public Flight _flight
    cdef public StreamScanner _scanner
    cdef public bint _is_after_event, is_over
    @cython.locals(live=Live)
    cpdef start(self, headers)
    cpdef close(self)
    cpdef take(self, bytes piece)
    cpdef pass_on(self, bytes piece)
    cpdef _wind_up(self, bytes out)
    @cython.locals(scanner=StreamScanner, client=Exchange)
    cpdef take_chunk(self, bytes chunk, Py_ssize_t begin)
    cpdef take_first(self)
    cpdef ended(self, error)
    cpdef _tell(self, verdict)
    cpdef _counts(self)
    cpdef _end(self)
    cpdef _finish(self, bytes last)
    cpdef fail(self, error)

@cython.locals(body=bytes)
cpdef relay_whole(Flight flight, Whole answer, exchange, headers)
cpdef tuple _passed_on(Whole answer)
cpdef last_event(bytes body)
cpdef stream_error(Flight flight, error)
