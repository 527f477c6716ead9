"""Pure decisions: what may be recorded, how usage is asked for and summed."""
