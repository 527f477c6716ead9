from roundhouse_router.domain.choosing.chooser cimport Chooser
from roundhouse_router.light_metrics cimport LightCounter, LightHistogram
from roundhouse_router.store.spool cimport Spool

cdef class RouterMetrics:
    cdef public object _endpoints, _registry, _upstream_errors, duration, errors, fallbacks, first_token, held
    cdef public object hold_refused, hold_s, per_token, publish_failures, published, republished, requests
    cdef public object retries, retries_refused, snapshot_failures, spool_depth, tokens
    cdef public dict _series
    cdef public long in_flight
    cdef public LightHistogram overhead
    cpdef answered(self, path, status, outcome)
    cpdef refused(self, path, operation, error)
    cpdef upstream_error(self, kind)

cdef class Series:
    cdef public LightCounter _completed
    cdef public LightHistogram _first_token, _input, _output, _per_token, _succeeded
    cdef public bint _is_provider
    cdef public object _labels, _path
    cdef public RouterMetrics _metrics
    cpdef settled(self, int status, outcome, error_code, double duration_s, first_token_s, told, made)
    cpdef _failed(self, status, outcome, error_code, double duration_s)
