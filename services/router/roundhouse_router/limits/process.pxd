cimport cython
from roundhouse_router.domain.limits.headers cimport GrantHeaders, pairs_of
from roundhouse_router.domain.limits.windows cimport WindowCounter
from roundhouse_router.limits.budgets cimport BudgetCounters, Reserver, settle_held, take_held
from roundhouse_router.limits.counters cimport Counters, Moves, Places
from roundhouse_router.limits.figures cimport Tally

cdef class ProcessGrant:
    cdef public long long _at_ms
    cdef public object _held, _monotonic, _used
    cdef public bytes lines
    cdef public tuple _needs
    cdef public Moves _moves
    @cython.locals(counter=WindowCounter, places=Places, surplus=cython.longlong, need=cython.longlong, kind=cython.int, bound=cython.longlong, now_ms=cython.longlong, at_ms=cython.longlong)
    cpdef settle(self, input_tokens, output_tokens, record=*)

cdef class ProcessLimiter:
    cdef public Counters _counters
    cdef public object _monotonic, _output_estimate
    cdef public Tally _tally
    cdef public Reserver _reserver
    cdef public BudgetCounters budgets
    @cython.locals(moves=Moves, needs=tuple, counter=WindowCounter, places=Places, now_ms=cython.longlong, need=cython.longlong, kind=cython.int, bound=cython.longlong)
    cpdef decide(self, demand)
    cpdef charge(self, demand, reserved=*)
    cpdef _room(self, reserved)
    @cython.locals(counter=WindowCounter, places=Places, made=GrantHeaders, tightest=GrantHeaders, lines=bytes, least=cython.longlong, used=cython.longlong, need=cython.longlong, kind=cython.int, bound=cython.longlong)
    cpdef _take(self, Moves moves, needs, now_ms, held)
    cpdef _refusal(self, Moves moves, needs, now_ms)

cpdef needs_of(demand, output_estimate)
