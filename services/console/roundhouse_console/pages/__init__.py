"""One module per page of the application."""
