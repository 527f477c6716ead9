cdef class ParsedRequest:
    cdef public object _members, choices, figures, has_salt, max_tokens, model, user
    cdef public bytes body
    cdef public bint has_stream_options, is_stream, wants_usage

cpdef parse(bytes body, operation)
cpdef outgoing(ParsedRequest request, served_model, running, added=*, old_limit_only=*, bytes salt=*)
cpdef _put_around(ParsedRequest request, is_usage_added, bytes salt)
cpdef _read(members, name, decoder, wanted, parent=*)
