cdef class WindowCounter:
    cdef public long long _debt, _past_sum, _slot, _slots, bound, ends_ms, slot_ms, used
    cdef public dict _past
    cpdef advance(self, now_ms)
    cpdef _forget(self, slot)
    cpdef _pay_into(self, slot)
    cpdef charge(self, amount, now_ms)
    cpdef give_back(self, amount, reserved_at_ms, now_ms)
    cpdef wait_ms(self, need, now_ms)
