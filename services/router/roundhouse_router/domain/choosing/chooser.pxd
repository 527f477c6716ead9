cimport cython
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.choosing.choice cimport Choice
from roundhouse_router.domain.choosing.picker cimport Picker
from roundhouse_router.domain.choosing.roster cimport Roster
from roundhouse_router.domain.choosing.standing cimport Standing
from roundhouse_router.domain.targets cimport RequestFacts

cdef class Chooser:
    cdef public object _draw, _salts, options
    cdef public Picker picker
    cdef public Roster roster
    cpdef begin(self, table, resolution, RequestFacts facts, double now)
    @cython.locals(standing=Standing)
    cpdef sent(self, Candidate candidate, double now)
    cpdef is_full(self, table, resolution, RequestFacts facts, double now)
    cpdef prune(self, table)
    cpdef _may_eject(self, Candidate candidate)
