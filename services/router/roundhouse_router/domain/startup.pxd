cpdef has_content(bytes piece)
cpdef error_told(bytes beginning)
cpdef _words(document)
