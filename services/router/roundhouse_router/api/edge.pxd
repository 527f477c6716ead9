from roundhouse_router.wire.exchange cimport Exchange

cpdef id_headers(headers, request_id)
