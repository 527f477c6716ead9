cdef class Window:
    cdef public object _map
    cdef public long long _busy_from, _end, _ready, _start
    cpdef put(self, int fd, long long offset, bytes line)
    cpdef synced(self, long long offset)
    cpdef close(self)
    cpdef _reach(self, int fd, long long offset, long long end)
    cpdef _move(self, int fd, long long offset)

cpdef can_reserve(directory, mounts=*)
cpdef _zeroed(int fd, long long start, long long end)
