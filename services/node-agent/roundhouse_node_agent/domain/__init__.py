"""What an agent decides: pure functions and values, no clock, no files, no processes."""
