"""Which endpoint takes a request: targets, strategies, health and load."""
