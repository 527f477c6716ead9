# Compiled as it is: its closures are called for every request.
