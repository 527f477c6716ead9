"""The scheduler's loops: what hears, the one planner, and what tells."""
