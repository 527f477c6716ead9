cimport cython
from roundhouse_router.wire.exchange cimport Channel, Exchange
from roundhouse_router.wire.heads cimport answer_head, error_body, head_end
from roundhouse_router.wire.reader cimport Reader
from roundhouse_router.wire.sockets cimport send_now

cdef Py_ssize_t _SLICE
cdef double _NEVER

cdef class Host:
    cpdef begin(self, Exchange exchange)

cdef class Connection(Channel):
    cdef public Host server
    cdef public bytes _ahead
    cdef public bint _is_behind, _is_lingering, _is_paused
    cdef public int _fd
    cdef public Reader _reader
    cdef public object _transport, _waiter, limits
    cdef public Py_ssize_t _watched
    cdef public Exchange answering
    cdef public double _idle_s, deadline
    cpdef connection_made(self, transport)
    cpdef connection_lost(self, error)
    cpdef data_received(self, bytes data)
    cpdef eof_received(self)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    @cython.locals(sent=Py_ssize_t)
    cpdef write(self, bytes data)
    @cython.locals(reader=Reader, exchange=Exchange)
    cpdef _receive(self, data)
    cpdef _receive_slices(self, bytes data)
    cpdef _keep_ahead(self, bytes data)
    cpdef _wait_for_body(self, Exchange exchange)
    cpdef awaited(self)
    cpdef bint may_skip(self, Exchange exchange)
    @cython.locals(reader=Reader)
    cpdef ended(self, Exchange exchange)
    cpdef _close(self)
    cpdef _stop(self, refusal)
    cpdef expire(self)
    cpdef _expire_writing(self)
    cpdef _expire_body(self, Exchange exchange)
    cpdef _refuse(self, message)
    cpdef begin_drain(self)
    cpdef abort(self)
    cpdef forget(self, task)
    cpdef _lose(self, reason)
    cpdef _wake(self)
    cpdef _arm(self)
    cpdef _pause(self)
    cpdef _resume(self)
