cimport cython
from roundhouse_router.api.course cimport Course
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.wire.client cimport Client
from roundhouse_router.wire.reply cimport Reply
from roundhouse_router.wire.upstream cimport Listener, UpstreamConnection

cdef bytes _ID_LINE
cdef tuple _TRACE

cdef class Upstreams:
    cdef public Client _client
    cdef public object _clock, _connect_s, _keys, _predictions
    cdef public dict _heads
    @cython.locals(head=bytes)
    cpdef ask_at_once(self, endpoint, Course course, Listener listener, request_id, headers, double first_byte_s)
    cpdef tuple _head(self, base_url, Course course, secret)

@cython.locals(lines=bytes)
cpdef bytes _own_lines(Course course, str request_id, headers)
cpdef _head_of(base_url, path, secret, is_json, method=*)
cpdef _clean(text)
