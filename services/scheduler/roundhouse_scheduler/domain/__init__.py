"""Pure decisions of the scheduler: no clock, no randomness, no I/O."""
