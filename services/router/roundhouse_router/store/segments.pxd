cimport cython

cdef class Line:
    cdef public bytes common, kind, payload
    cdef public str request_id
    cdef public long long end

cpdef segment_path(directory, number)
cpdef encode_head(head)
cpdef encode_admission(admission)
cpdef encode_record(record)
cpdef decode_record(Line line)
@cython.locals(position=cython.Py_ssize_t, end=cython.Py_ssize_t, line=Line)
cpdef finals_in(bytes data, long long start)
cpdef framed(bytes rest)
@cython.locals(check=cython.uint)
cpdef _parse(bytes line, long long end)
