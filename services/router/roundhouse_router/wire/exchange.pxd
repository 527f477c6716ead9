cimport cython
from roundhouse_router.wire.heads cimport Moment, answer_head, framed, head_end
from roundhouse_router.wire.incoming cimport Incoming, too_large

cdef bytes _CHUNKED, _CHUNK_END, _CLOSE, _KEEP, _LAST_END
cdef Py_ssize_t _ONE_WRITE

cdef class Channel:
    cdef public object client
    cdef public bint is_writable
    cdef public Moment moment
    cpdef write(self, bytes data)
    cpdef bint may_skip(self, Exchange exchange)
    cpdef ended(self, Exchange exchange)

cdef class Exchange:
    cdef public Channel _connection
    cdef public object _leave_reason, _over, client, headers, method, on_drained, on_left
    cdef public object on_paused, path, query, task, whole
    cdef public bytes _head
    cdef public bint _is_bare, _is_chunked, has_left, is_ended, is_gathered, is_kept, is_old, is_running
    cdef public bint is_started, is_watched
    cdef public Incoming incoming
    cdef public double received
    cpdef gathered(self)
    cpdef answer(self, int status, headers, bytes body)
    cpdef continue_by(self, handler)
    cpdef cut_off(self)
    cpdef start(self, int status, headers)
    @cython.locals(head=bytes)
    cpdef write(self, bytes data)
    cpdef write_chunk(self, bytes chunk, Py_ssize_t begin)
    cpdef end(self, bytes data=*)
    cpdef guarded(self)
    cpdef give_up(self)
    cpdef leave(self, reason)
    cpdef _tell_over(self)
    @cython.locals(connection=Channel, moment=Moment)
    cpdef bytes _begin(self, int status)
    @cython.locals(connection=Channel)
    cpdef _finish(self, bytes head, bytes data)

cdef class _Guard:
    cdef public object _exchange

cdef bint _has_no_body(int status)
