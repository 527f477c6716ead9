"""As `sockets.py`, by one call of the C library: nothing is looked up for it, and no other thread comes between."""

cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int fd, const void *data, size_t size, int flags)
    int MSG_DONTWAIT

cpdef Py_ssize_t send_now(int fd, bytes data) noexcept:
    # A pipe that is broken raises a signal that Python ignores.
    return send(fd, <const char *>data, len(data), MSG_DONTWAIT)
