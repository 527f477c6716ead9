cimport cython
from roundhouse_router.wire.heads cimport chunk_begin
from roundhouse_router.wire.reply cimport Reply

cdef dict _LOWERED
cdef double _NEVER
cdef Py_ssize_t _HEAD_BYTES

cdef class Listener:
    cpdef answered(self, Reply reply)
    cpdef failed(self, error)

cdef class Pool:
    cdef public double now
    cpdef release(self, UpstreamConnection connection)

cdef class Awaited(Listener):
    cdef public object future
    cpdef answered(self, Reply reply)
    cpdef failed(self, error)

cdef class UpstreamConnection:
    cdef public Pool _client
    cdef public Listener _listener
    cdef public object _parser, _transport, _writable, on_body, origin
    cdef public bint _framed, _is_between, _is_complete, _is_reusable, _is_sending, is_paused
    cdef public Py_ssize_t _head_bytes
    cdef public dict _headers
    cdef public list _pieces
    cdef public double deadline, idle_until, silence_s
    cdef public Reply reply
    cpdef bint is_open(self)
    cpdef begin(self, Listener listener, double silence_s)
    cpdef give_up(self)
    cpdef ask(self, Listener listener, double silence_s, bytes request)
    cpdef write(self, bytes data)
    cpdef sending(self, is_sending)
    cpdef touch(self)
    cpdef pause(self)
    cpdef resume(self)
    cpdef abort(self)
    cpdef connection_made(self, transport)
    cpdef connection_lost(self, error)
    cpdef eof_received(self)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    @cython.locals(begin=bytes, reply=Reply, listener=Listener, pieces=list, piece=bytes)
    cpdef data_received(self, bytes data)
    @cython.locals(reply=Reply)
    cpdef _take_chunk(self, bytes chunk, Py_ssize_t begin)
    @cython.locals(headers=dict)
    cpdef on_header(self, bytes name, bytes value)
    @cython.locals(headers=dict, status=cython.int)
    cpdef on_headers_complete(self)
    cpdef on_chunk_header(self)
    cpdef on_chunk_complete(self)
    cpdef on_message_complete(self)
    @cython.locals(listener=Listener, reply=Reply)
    cpdef fail(self, error)
    @cython.locals(reply=Reply)
    cpdef _finish(self, bytes last)
    cpdef expire(self)
