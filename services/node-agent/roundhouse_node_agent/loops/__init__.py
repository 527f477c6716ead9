"""Loops of the agent. Each compares and acts; events only make it look sooner."""
