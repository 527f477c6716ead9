"""Outside providers: which of their keys a request goes out with."""
