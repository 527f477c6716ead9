cimport cython
from roundhouse_router.domain.choosing.choice cimport Choice
from roundhouse_router.domain.choosing.picker cimport Picker
from roundhouse_router.domain.choosing.roster cimport Roster
from roundhouse_router.domain.choosing.standing cimport Standing

cdef class Chooser:
    cdef public object _draw, _salts, options
    cdef public Picker picker
    cdef public Roster roster
    cpdef begin(self, table, resolution, facts, double now)
    @cython.locals(standing=Standing)
    cpdef sent(self, candidate, double now)
    cpdef is_full(self, table, resolution, facts, double now)
    cpdef prune(self, table)
    cpdef _may_eject(self, candidate)
