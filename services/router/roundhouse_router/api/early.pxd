cpdef stream_headers(flight, headers, kind=*)
