cimport cython
from roundhouse_router.store.segments cimport decode_record

cdef class AdmissionFrame:
    cdef public bint _is_good
    cdef public bytes _common
    cdef public unsigned int _check
    @cython.locals(check=cython.uint)
    cpdef line(self, str opened)

cdef class RecordFrame:
    cdef public object engine
    cdef public bint _is_good
    cdef public bytes _common
    cdef public unsigned int _check
    cpdef of(self, record)
    @cython.locals(check=cython.uint, first=str)
    cpdef line(self, str opened, double ended_at, double duration_ms, time_to_first_token_ms, long long input_tokens, long long cached_input_tokens, long long output_tokens, long long reasoning_tokens)

cpdef str opening(str request_id, long long sequence, double admitted_at)
@cython.locals(whole=cython.double, part=cython.double, near=cython.double)
cpdef long long in_micros(double value, double per_unit)
cpdef _rounded(example)
