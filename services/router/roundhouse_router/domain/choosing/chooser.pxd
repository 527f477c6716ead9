cimport cython
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.choosing.choice cimport Choice
from roundhouse_router.domain.choosing.picker cimport Picker
from roundhouse_router.domain.choosing.roster cimport Roster
from roundhouse_router.domain.choosing.standing cimport Standing
from roundhouse_router.domain.health cimport Condition
from roundhouse_router.domain.targets cimport RequestFacts, Resolution

cdef class Chooser:
    cdef public object _draw, _salts, options
    cdef public Picker picker
    cdef public Roster roster
    cpdef begin(self, table, Resolution resolution, RequestFacts facts, double now)
    @cython.locals(standing=Standing)
    cpdef sent(self, Candidate candidate, double now)
    @cython.locals(standing=Standing, condition=Condition, is_probe=cython.bint)
    cpdef ended(self, Candidate candidate, verdict, double now, first_token_s=*, why=*, double retry_after_s=*)
    cpdef is_full(self, table, Resolution resolution, RequestFacts facts, double now)
    cpdef prune(self, table)
    cpdef _may_eject(self, Candidate candidate)
