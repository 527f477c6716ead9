from roundhouse_router.wire.heads cimport answer_head
from roundhouse_router.wire.incoming cimport Incoming, too_large

cdef class Exchange:
    cdef public object _connection, _leave_reason, _over, client, headers, method, on_drained, on_left
    cdef public object on_paused, path, query, task, whole
    cdef public bytes _head
    cdef public bint _is_bare, _is_chunked, has_left, is_ended, is_gathered, is_kept, is_old, is_running
    cdef public bint is_started, is_watched
    cdef public Incoming incoming
    cdef public double received
    cpdef gathered(self)
    cpdef answer(self, status, headers, bytes body)
    cpdef continue_by(self, handler)
    cpdef cut_off(self)
    cpdef start(self, status, headers)
    cpdef write(self, bytes data)
    cpdef end(self, bytes data=*)
    cpdef guarded(self)
    cpdef give_up(self)
    cpdef leave(self, reason)
    cpdef _tell_over(self)
    cpdef _begin(self, status)
    cpdef _finish(self, bytes head, bytes data)

cdef class _Guard:
    cdef public object _exchange
