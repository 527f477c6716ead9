from roundhouse_router.wire.reply cimport Reply

cdef class Awaited:
    cdef public object future
    cpdef answered(self, Reply reply)
    cpdef failed(self, error)

cdef class UpstreamConnection:
    cdef public object _client, _listener, _parser, _transport, _writable, on_body, origin
    cdef public bint _framed, _is_complete, _is_reusable, _is_sending, is_paused
    cdef public Py_ssize_t _head_bytes
    cdef public dict _headers
    cdef public list _pieces
    cdef public double deadline, idle_until, silence_s
    cdef public Reply reply
    cpdef begin(self, listener, double silence_s)
    cpdef give_up(self)
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
    cpdef data_received(self, bytes data)
    cpdef on_header(self, bytes name, bytes value)
    cpdef on_headers_complete(self)
    cpdef on_message_complete(self)
    cpdef fail(self, error)
    cpdef _finish(self, bytes last)
    cpdef expire(self)
