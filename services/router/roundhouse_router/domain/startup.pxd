cimport cython

@cython.locals(at=Py_ssize_t)
cpdef has_content(bytes piece)
cpdef error_told(bytes beginning)
cpdef _words(document)
