cpdef estimate_input(bytes body)
cpdef _may_be_base64(bytes body, begin, end)
cpdef most_output(operation, max_tokens, choices)
