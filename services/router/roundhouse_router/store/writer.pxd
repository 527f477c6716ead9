from roundhouse_router.store.segments cimport encode_head, segment_path
from roundhouse_router.store.window cimport Window

cdef class SegmentWriter:
    cdef public object _counters, _directory, _head, _syncer, _unsynced, durable, head, number, sealed
    cdef public Window _window
    cdef public int _fd
    cdef public bint _is_failing, _is_listed, _is_torn
    cdef public long long _segment_bytes, finals, offset, total_finals
    cpdef write(self, bytes line, int finals)
    cpdef roll(self)
    cpdef close(self)
    cpdef _close(self)
    cpdef _create(self, number, head)
    cpdef _cut_back(self)
    cpdef _failed(self, why)
