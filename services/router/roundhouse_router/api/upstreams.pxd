from roundhouse_router.api.course cimport Course
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.wire.client cimport Client
from roundhouse_router.wire.reply cimport Reply
from roundhouse_router.wire.upstream cimport UpstreamConnection

cdef class Upstreams:
    cdef public Client _client
    cdef public object _clock, _connect_s, _keys, _predictions
    cdef public dict _heads
    cpdef _head(self, base_url, Course course, secret)

cpdef _own_lines(Course course, request_id, headers)
cpdef _head_of(base_url, path, secret, is_json, method=*)
cpdef _clean(text)
