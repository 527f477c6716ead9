cimport cython

cdef class WindowCounter:
    cdef public long long _debt, _past_sum, _slot, _slots, bound, ends_ms, slot_ms, used
    cdef public dict _past
    cpdef advance(self, long long now_ms)
    cpdef _forget(self, long long slot)
    cpdef _pay_into(self, long long slot)
    cpdef charge(self, long long amount, long long now_ms)
    @cython.locals(forgiven=cython.longlong, slot=cython.longlong, taken=cython.longlong)
    cpdef give_back(self, long long amount, long long reserved_at_ms, long long now_ms)
    cpdef wait_ms(self, long long need, long long now_ms)
