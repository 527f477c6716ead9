cdef class Reserver:
    cdef public object _budgets, _now, _output_estimate, _spending, _unheard, _unpriced, figures
    cpdef of(self, demand)
    cpdef used(self, reserved, record)
    cpdef _go_on_unheard(self)
    cpdef _cost(self, demand, outputs, double now)

cdef class BudgetCounters:
    cdef public object _counters, _share_of, _sweep_at
    cpdef to_save(self)
    cpdef restore(self, saved)
    cpdef held(self, reserved)
    cpdef check(self, held)
    cpdef _add(self, one)

cpdef take_held(held)
cpdef settle_held(held, amounts)
