cimport cython
from roundhouse_router.wire.heads cimport head_end
from roundhouse_router.wire.reply cimport Reply
from roundhouse_router.wire.upstream cimport Awaited, Listener, Pool, UpstreamConnection

cdef double _TICK_S
cdef Py_ssize_t _ONE_WRITE

cdef class Client(Pool):
    cdef public set _all
    cdef public dict _idle
    cdef public double _idle_s
    cdef public object _ticking, _tls, loop
    @cython.locals(connection=UpstreamConnection)
    cpdef send_at_once(self, origin, bytes head, bytes body, Listener listener, double first_byte_s)
    cpdef opened(self, UpstreamConnection connection)
    cpdef closed(self, UpstreamConnection connection)
    @cython.locals(idle=list)
    cpdef release(self, UpstreamConnection connection)
    @cython.locals(now=cython.double)
    cpdef sweep(self)
    cpdef _tick(self)
    cpdef _send(self, UpstreamConnection connection, bytes head, bytes body, double first_byte_s)
    @cython.locals(idle=list, connection=UpstreamConnection)
    cpdef _take(self, origin)
    cpdef _context(self)

cpdef _write(UpstreamConnection connection, bytes head, bytes body)
cpdef _give_up(UpstreamConnection connection, answered)
