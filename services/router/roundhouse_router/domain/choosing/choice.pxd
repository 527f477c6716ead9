cimport cython
from roundhouse_router.domain.choosing.candidate cimport Candidate
from roundhouse_router.domain.choosing.groups cimport Group, Member
from roundhouse_router.domain.choosing.picker cimport Picker
from roundhouse_router.domain.choosing.roster cimport Roster
from roundhouse_router.domain.choosing.standing cimport Standing
from roundhouse_router.domain.targets cimport RequestFacts, Resolution

cdef class Choice:
    cdef public RequestFacts _facts
    cdef public Picker _picker
    cdef public Resolution _resolution
    cdef public object _prefixes, _salts, table, targets
    cdef public tuple _tried
    cdef public Roster _roster
    @cython.locals(candidate=Candidate)
    cpdef next(self, double now)
    @cython.locals(member=Member, group=Group)
    cpdef _of_deployment(self, target, level, double now)
    @cython.locals(member=Member)
    cpdef _usable(self, tier, tiers, level, double now)
    cpdef _of_provider(self, target, level, double now)
    cpdef _hashes(self, bytes salt)
    cpdef _bound(self, Member member)

cpdef _stands(Member member, level, limit, double now)
cpdef _has_room(Standing standing, bound)
cpdef _name(Candidate candidate)
