cimport cython
from roundhouse_router.domain.limits.headers cimport GrantHeaders
from roundhouse_router.domain.limits.windows cimport WindowCounter

cdef class Places:
    cdef public long long taken

cdef class Moves:
    cdef public object closed, plan
    cdef public bint is_empty
    cdef public tuple places, requests, tokens, windows
    cpdef standings(self, needs, now_ms)

cdef class Counters:
    cdef public dict _moves, _places, _windows
    cdef public object _monotonic, _seen, _share, _share_of, _sweep_at, _table
    @cython.locals(moves=Moves)
    cpdef of(self, demand)
    cpdef _compile(self, whole)
    cpdef _shared(self, rule)
    cpdef _window(self, rule)
    cpdef _sweep(self)
