from roundhouse_router.api.attempts cimport Attempts
from roundhouse_router.api.flight cimport Flight, FlightServices
from roundhouse_router.api.interface cimport Interface
from roundhouse_router.api.relay cimport last_event, relay_whole, stream_error
from roundhouse_router.domain.choosing.chooser cimport Chooser
from roundhouse_router.domain.limits.estimates cimport estimate_input, most_output
from roundhouse_router.domain.request cimport ParsedRequest, parse
from roundhouse_router.domain.targets cimport RequestFacts, Resolution
from roundhouse_router.metrics cimport RouterMetrics
from roundhouse_router.store.spool cimport Spool
from roundhouse_router.wire.exchange cimport Exchange

cdef class Pipeline:
    cdef public object _attempts, _clock, _control_plane, _limiter, _metrics, _request_log, _reusing
    cdef public FlightServices _services
    cdef public object _settings
    cdef public bint _is_traced
    cpdef flight(self, request_id, Interface interface, ParsedRequest request, Resolution resolution, RequestFacts facts, grant, double received, priority)
    cpdef _sent_headers(self, headers)
    cpdef _span(self, Flight flight)

cpdef demand_of(key, ParsedRequest request, operation, route_id, targets)
cpdef _priority(key, headers)
cpdef _early_error(Flight flight, error)
