cimport cython
from roundhouse_router.wire.exchange cimport Exchange
from roundhouse_router.wire.incoming cimport Incoming

cdef dict _LOWERED, _METHODS, _SPLIT
cdef int _SPACE

cdef class Reader:
    cdef public object _connection, _parser, _upgrading, on_body, refusal
    cdef public dict _headers
    cdef public Py_ssize_t _header_count, _overhead, _url_bytes, head_bytes
    cdef public list _pieces, ready
    cdef public bytes _url
    cdef public Exchange incoming
    @cython.locals(incoming=Exchange)
    cpdef feed(self, data)
    @cython.locals(ready=list)
    cpdef Exchange next(self)
    cpdef close(self)
    cpdef on_url(self, bytes url)
    @cython.locals(headers=dict)
    cpdef on_header(self, bytes name, bytes value)
    @cython.locals(headers=dict, url=bytes, is_kept=bint, is_old=bint)
    cpdef on_headers_complete(self)
    @cython.locals(exchange=Exchange, pieces=list)
    cpdef on_message_complete(self)
    cpdef _check_unusual(self, headers, bytes url)
    cpdef _parse(self, data)
    cpdef _joined(self, bytes name, bytes value)
    cpdef _count_head(self, size)
    cpdef _hand_over(self, Exchange exchange, came)
    cpdef _failed(self, error)

cpdef _split(bytes url)
