cdef dict _KNOWN, _STATUS_LINES
cdef bytes _OK
cdef Py_ssize_t _KNOWN_BYTES, _KNOWN_MOST, _SHORT
cdef list _BEGINS, _ENDS, _SIZES

cdef class Moment:
    cdef public long long _second
    cdef public bytes date_line
    cdef public bint is_draining
    cdef public double now
    cpdef update(self, double now, double date)

cdef class Lines:
    cdef public bytes ready

cpdef extended(headers, tuple more)
cpdef bytes lines_of(headers)
cpdef bytes answer_head(int status, headers, bytes framing, bytes end, bytes body=*)
cpdef bytes head_end(Py_ssize_t size)
cpdef bytes framed(bytes head, bytes data, bytes end)
cpdef bytes chunk_begin(Py_ssize_t length)
cpdef check_lines(bytes lines, count)
cpdef error_body(message, kind, code)
