from roundhouse_router.wire.exchange cimport Exchange
from roundhouse_router.wire.heads cimport lines_of

cpdef id_headers(headers, request_id)
cpdef bytes id_lines(headers, str request_id)
