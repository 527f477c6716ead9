from roundhouse_router.store.frames cimport AdmissionFrame, RecordFrame

cdef class Alike:
    cdef public AdmissionFrame admission
    cdef public dict records, series
    cpdef keep(self, endpoint_id, RecordFrame frame)

cpdef alike_of(resolution, path, is_stream)
