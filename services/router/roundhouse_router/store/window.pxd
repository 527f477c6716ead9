cdef class Window:
    cdef public object _map
    cdef public long long _end, _start
    cpdef put(self, int fd, long long offset, bytes line)
    cpdef close(self)
    cpdef _move(self, int fd, long long offset)

cpdef can_reserve(directory, mounts=*)
