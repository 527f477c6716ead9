from roundhouse_router.domain.tokens cimport from_usage

cpdef read_answer(bytes body, requested)
