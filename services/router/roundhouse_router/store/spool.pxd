from roundhouse_router.store.segments cimport encode_admission, encode_record, segment_path
from roundhouse_router.store.window cimport can_reserve
from roundhouse_router.store.writer cimport SegmentWriter

cdef class Spool:
    cdef public object _clock, _limits, _lock, _sequence, _waiting, _written, counters, directory, router_id, synced
    cdef public bint _is_awaited
    cdef public dict _open
    cdef public SegmentWriter writer
    cpdef take_sequence(self)
    cpdef admit(self, admission)
    cpdef admit_line(self, request_id, bytes line)
    cpdef settle(self, record)
    cpdef settle_line(self, request_id, bytes line)
    cpdef close(self)
    cpdef _release(self)
    cpdef _wake(self)
    cpdef _wait(self, bytes line)
    cpdef _head(self)

cpdef _locked(directory)
