from roundhouse_router.api.interface cimport Interface
from roundhouse_router.wire.exchange cimport Exchange

cdef class Caller:
    cdef public object key
    cdef public dict resolutions

cdef class FastPlans:
    cdef public dict _callers
    cdef public object _control_plane, _table
    cpdef caller(self, Exchange exchange, now)
    cpdef resolution(self, Caller caller, Interface interface, model)
    cpdef _looked_up(self, Exchange exchange, now)

cpdef _is_common(route)
