"""What the scheduler answers and consumes."""
