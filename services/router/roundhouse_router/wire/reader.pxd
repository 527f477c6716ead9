from roundhouse_router.wire.exchange cimport Exchange
from roundhouse_router.wire.incoming cimport Incoming

cdef class Reader:
    cdef public object _connection, _parser, _upgrading, on_body, refusal
    cdef public dict _headers
    cdef public Py_ssize_t _overhead, head_bytes
    cdef public list _pieces, ready
    cdef public bytes _url
    cdef public Exchange incoming
    cpdef feed(self, data)
    cpdef close(self)
    cpdef on_url(self, bytes url)
    cpdef on_header(self, bytes name, bytes value)
    cpdef on_headers_complete(self)
    cpdef on_message_complete(self)
    cpdef _check_unusual(self, headers, bytes url)
    cpdef _parse(self, data)
    cpdef _joined(self, bytes name, bytes value)
    cpdef _count_head(self, size)
    cpdef _hand_over(self, Exchange exchange, came)
    cpdef _failed(self, error)

cpdef _split(bytes url)
