from roundhouse_router.api.course cimport Course
