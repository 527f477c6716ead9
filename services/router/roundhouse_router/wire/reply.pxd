cimport cython

cdef class ChunkSink:
    cpdef take_chunk(self, bytes chunk, Py_ssize_t begin)

cdef class Reply:
    cdef public object _connection, _error, _on_end, _sink, _waiter, headers, status
    cdef public Py_ssize_t _held
    cdef public bint _is_whole
    cdef public list _pieces
    cdef public ChunkSink _chunks
    cpdef pump(self, sink, ChunkSink chunks=*)
    cpdef pour(self, sink, on_end, ChunkSink chunks=*)
    cpdef take_back(self, pieces)
    cpdef pause(self)
    cpdef resume(self)
    cpdef idle_timeout(self, double seconds)
    cpdef close(self)
    cpdef feed(self, bytes data)
    @cython.locals(chunks=ChunkSink)
    cpdef feed_chunk(self, bytes chunk, Py_ssize_t begin)
    cpdef finish(self, bytes last)
    cpdef fail(self, error)
    cpdef _pour(self, bytes data)
    cpdef _refused(self, error)
    cpdef _settle(self, error)
    cpdef _wake(self)
    cpdef _check(self)

cpdef _end(future, error)
