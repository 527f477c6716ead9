# Compiled as it is: whoever ends a request says so here.
