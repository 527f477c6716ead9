from roundhouse_router.wire.reply cimport Reply
from roundhouse_router.wire.upstream cimport Awaited, UpstreamConnection

cdef class Client:
    cdef public set _all
    cdef public dict _idle
    cdef public double _idle_s, now
    cdef public object _ticking, _tls, loop
    cpdef opened(self, UpstreamConnection connection)
    cpdef closed(self, UpstreamConnection connection)
    cpdef release(self, UpstreamConnection connection)
    cpdef sweep(self)
    cpdef _tick(self)
    cpdef _send(self, UpstreamConnection connection, bytes head, bytes body, double first_byte_s)
    cpdef _take(self, origin)
    cpdef _context(self)

cpdef _write(UpstreamConnection connection, bytes head, bytes body)
cpdef _give_up(UpstreamConnection connection, answered)
