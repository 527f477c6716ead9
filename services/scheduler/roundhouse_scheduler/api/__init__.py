"""The HTTP edge of the scheduler."""
