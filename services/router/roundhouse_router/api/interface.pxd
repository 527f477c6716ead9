cdef class Interface:
    cdef public object answer_to_nothing, api, choose, dialect, feature, features, id_header, known_name, media
    cdef public object native, operation, path
