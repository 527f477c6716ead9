from roundhouse_router.store.segments cimport framed

cdef class AdmissionFrame:
    cdef public object _format
    cpdef line(self, bytes request_id, sequence, double admitted_at)

cdef class RecordFrame:
    cdef public object _format, engine
    cpdef of(self, record)
    cpdef line(self, bytes request_id, sequence, double admitted_at, double ended_at, double duration_ms, time_to_first_token_ms, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens)

cpdef _rounded(example)
