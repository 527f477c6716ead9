cimport cython
from roundhouse_router.domain.chunk_frame cimport ChunkFrame
from roundhouse_router.domain.usage_lines cimport alone, read_usage, without_usage

cdef class StreamScanner:
    cdef public tuple _read
    cdef public object _rename, _requested, _running, usage
    cdef public bint _drops_blank, _holds, _is_model_known, _is_open, _is_plain, _moves_usage, _strip_running
    cdef public bint _strip_usage, has_error, is_done
    cdef public bytes _last_running, _owed, _tail
    cdef public Py_ssize_t _texts
    cdef public ChunkFrame _frame
    @cython.locals(data=bytes, lines=bytes, cut=Py_ssize_t)
    cpdef feed(self, bytes chunk)
    cpdef bint passes(self, bytes data, Py_ssize_t begin, Py_ssize_t end)
    cpdef bint _is_at_ease(self)
    cpdef bint _holds_text_only(self, bytes chunk)
    @cython.locals(tail=bytes, last=bytes)
    cpdef finish(self)
    cpdef so_far(self)
    cpdef _observe(self, bytes lines)
    @cython.locals(texts=Py_ssize_t)
    cpdef _count(self, bytes lines)
    cpdef _learn_model(self, bytes lines)
    cpdef _rewritten(self, bytes lines)
    cpdef _without_usage(self, bytes line)
    cpdef _paid(self, bytes lines)

@cython.locals(at=Py_ssize_t)
cdef bint _says_usage(bytes chunk)
