cimport cython
from roundhouse_router.api.attempts cimport Attempts
from roundhouse_router.api.edge cimport id_lines
from roundhouse_router.api.fast_answer cimport FastAnswer, Shared
from roundhouse_router.api.fast_plans cimport FastPlans
from roundhouse_router.api.flight cimport Flight
from roundhouse_router.api.interface cimport Interface
from roundhouse_router.api.pipeline cimport Pipeline, demand_of
from roundhouse_router.api.upstreams cimport Upstreams
from roundhouse_router.domain.choosing.chooser cimport Chooser
from roundhouse_router.domain.demand cimport DemandLedger
from roundhouse_router.domain.request cimport ParsedRequest, parse
from roundhouse_router.domain.targets cimport RequestFacts, Resolution
from roundhouse_router.metrics cimport RouterMetrics
from roundhouse_router.wire.exchange cimport Exchange
from roundhouse_router.wire.heads cimport Lines

cdef class FastPath:
    cdef public object _clock, _decide, _ids, _metrics, _tick_s
    cdef public Pipeline _pipeline
    cdef public Py_ssize_t _max_body_bytes
    cdef public FastPlans _plans
    cdef public Shared _shared
    cpdef take(self, Exchange exchange)
    cpdef awaits(self, Exchange exchange)
    @cython.locals(flight=Flight)
    cpdef _admit(self, Exchange exchange, Interface interface, ParsedRequest request, key, Resolution resolution, double received)

cpdef _is_common(Exchange exchange)
