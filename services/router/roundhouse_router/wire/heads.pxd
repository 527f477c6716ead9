cdef class DateLine:
    cdef public object _second
    cdef public bytes line
    cpdef update(self, double now)

cpdef answer_head(status, headers, bytes framing)
cpdef check_lines(bytes lines, count)
cpdef error_body(message, kind, code)
