from roundhouse_router.wire.connection cimport Connection, Host
from roundhouse_router.wire.exchange cimport Exchange
from roundhouse_router.wire.heads cimport Moment

cdef class WireServer(Host):
    cdef public object _clock, _handler, _loop, _servers, _taker, _tasks, _tick_s, _ticking, limits, refusals
    cdef public set connections
    cdef public Moment moment
    cpdef begin(self, Exchange exchange)
    cpdef run(self, Exchange exchange, handler=*)
    cpdef refused(self, code)
    cpdef sweep(self)
    cpdef _connection(self)
    cpdef _tick(self)
    cpdef forget(self, task)

cdef class WireListener:
    cdef public object _drain_timeout_s, _handler, _ops, _reserved, server
    cdef public bint _is_started
    cpdef _answer(self, Exchange exchange)

cpdef _may_gather(Exchange exchange, size)
cpdef _fail(Exchange exchange, error)
