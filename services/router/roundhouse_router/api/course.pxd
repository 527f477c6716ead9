from roundhouse_router.api.interface cimport Interface
from roundhouse_router.domain.answer cimport read_answer
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.request cimport ParsedRequest, outgoing, parse
from roundhouse_router.domain.startup cimport has_content
from roundhouse_router.domain.stream cimport StreamScanner

cdef class Course:
    cdef public object _authorizes, _endpoint_engine, _format, _probe, body, headers, path
    cdef public Interface _interface
    cdef public ParsedRequest _sent, request
    cpdef whole(self, status, bytes body)
    cpdef status(self, status)
    cpdef chunks(self)
    cpdef is_live(self, status, bytes kind)
    cpdef has_content(self, bytes piece)
    cpdef stream_type(self, bytes kind)
    cpdef authorization(self, secret)
    cpdef error_body(self, status, bytes body)
    cpdef refusal(self, status, bytes body)
    cpdef stream(self)

cdef class _Translated:
    cdef public object _after, _before, _scanner
    cpdef fail(self, error)
    cpdef feed(self, bytes chunk)
    cpdef finish(self)
    cpdef so_far(self)

cpdef course_to(Interface interface, ParsedRequest request, Candidate candidate, formats)
cpdef _spoken_to(Interface interface, ParsedRequest request, Candidate candidate, provider_format)
cpdef _added(Candidate candidate, ParsedRequest sent, operation, engine)
