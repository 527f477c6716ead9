cdef class StreamScanner:
    cdef public object _drops_blank, _holds, _last_running, _moves_usage, _owed, _rename, _requested, _running
    cdef public object _strip_running, _strip_usage, _tail, _texts, usage
    cdef public bint _is_model_known, _is_open, _is_plain, has_error, is_done
    cpdef feed(self, bytes chunk)
    cpdef finish(self)
    cpdef so_far(self)
    cpdef _observe(self, bytes lines)
    cpdef _count(self, bytes lines)
    cpdef _learn_model(self, bytes lines)
    cpdef _rewritten(self, bytes lines)
    cpdef _without_usage(self, bytes line)
    cpdef _paid(self, bytes lines)
